/** As much of JSON Schema as the OpenAPI document of the control server uses. */
import type { Schema } from '../../src/device_control/schemas.js';

const KNOWN = new Set(
  '$ref type properties required additionalProperties items oneOf enum const minimum maximum maxItems description'.split(
    ' ',
  ),
);

/** @returns what is wrong with a value, by its path; empty if nothing is */
export function violations(value: unknown, schema: Schema, schemas: Readonly<Record<string, Schema>>): string[] {
  return look('', value, schema);

  function look(path: string, at: unknown, rule: Schema): string[] {
    const unknown = Object.keys(rule).filter(word => !KNOWN.has(word));
    if (unknown.length > 0) throw new Error(`this test does not know ${unknown.join(', ')}`);
    if (typeof rule.$ref === 'string') {
      const target = schemas[rule.$ref.replace('#/components/schemas/', '')];
      if (target === undefined) throw new Error(`${rule.$ref} leads nowhere`);
      return look(path, at, target);
    }
    if (Array.isArray(rule.oneOf)) {
      const fit = rule.oneOf.filter(one => look(path, at, one as Schema).length === 0);
      return fit.length === 1 ? [] : [`${path} fits ${fit.length} of ${rule.oneOf.length}`];
    }
    if ('const' in rule) return at === rule.const ? [] : [`${path} is not ${String(rule.const)}`];
    if (Array.isArray(rule.enum) && !rule.enum.includes(at)) return [`${path} is none of ${rule.enum.join(', ')}`];
    return ofType(path, at, rule);
  }

  function ofType(path: string, at: unknown, rule: Schema): string[] {
    switch (rule.type) {
      case 'array':
        if (!Array.isArray(at)) return [`${path} is no array`];
        if (at.length > ((rule.maxItems as number | undefined) ?? Number.POSITIVE_INFINITY))
          return [`${path} is too long`];
        return at.flatMap((item, i) => look(`${path}[${i}]`, item, rule.items as Schema));
      case 'object':
        return ofObject(path, at, rule);
      case 'integer':
        if (!Number.isInteger(at)) return [`${path} is no integer`];
        return inRange(path, at as number, rule);
      default:
        if (typeof at !== rule.type) return [`${path} is no ${String(rule.type)}`];
        return typeof at === 'number' ? inRange(path, at, rule) : [];
    }
  }

  function ofObject(path: string, at: unknown, rule: Schema): string[] {
    if (at === null || typeof at !== 'object' || Array.isArray(at)) return [`${path} is no object`];
    const properties = rule.properties as Record<string, Schema>;
    const missing = ((rule.required as string[] | undefined) ?? []).filter(name => !Object.hasOwn(at, name));
    const wrong = Object.entries(at).flatMap(([name, inside]) => {
      const inner = properties[name];
      return inner === undefined ? [`${path}.${name} is not known`] : look(`${path}.${name}`, inside, inner);
    });
    return [...missing.map(name => `${path}.${name} is missing`), ...wrong];
  }

  function inRange(path: string, at: number, { minimum, maximum }: Schema): string[] {
    const fits =
      at >= ((minimum as number | undefined) ?? -Infinity) && at <= ((maximum as number | undefined) ?? Infinity);
    return fits ? [] : [`${path} is out of range`];
  }
}
