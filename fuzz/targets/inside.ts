/** What is private to an object of the library; a target looks at it to see whether all is given back. */
export function inside<T>(object: object, name: string): T {
  if (!(name in object)) throw new Error(`there is no '${name}' any more: the target has to learn its new name`);
  return Reflect.get(object, name) as T;
}
