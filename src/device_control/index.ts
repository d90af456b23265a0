/** What `esp-httpd/device` exports of the control server. */
export { type ControlOptions, type ControlServer, controlStart } from './control.js';
export { ControlLog, type LogPart } from './control_log.js';
export type { LiveMessage } from './live.js';
export type { ControlState } from './state.js';
