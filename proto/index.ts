// The door of the words two programs say to each other. Safe in a browser: no Node, no DOM, no ajv (`#proto/validate`).
export * from './envelope.ts';
export * from './protocol.ts';
export * from './control.ts';
export * from './window.ts';
export * from './resume.ts';
export * from './operator-socket.ts';
export type { OperatorTimes } from './operator-link.ts';
export * from './operator.ts';
export { frozenCode } from './frozen.ts';
