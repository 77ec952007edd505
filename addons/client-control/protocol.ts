import { Type } from 'typebox';
import { Bytes, defineProtocol, Int64, ProtoType, type MessageOf } from '#proto';

/** 1 done, 2 failed (the body says why). */
const Word = { props: Type.Object({ status: Type.Optional(Int64()) }), body: Bytes };

/** Mender's client protocol (`connect-protocol.md` §3.6): words that are answered by themselves, with a status. */
export const clientControl = defineProtocol(ProtoType.MenderClient, { 'check-update': Word, 'send-inventory': Word });

export type Message = MessageOf<typeof clientControl>;
export const ClientStatus = { Normal: 1, Error: 2 } as const;
