/** A small DNS server on loopback: answers questions for TXT records out of a table, and can be in trouble (RFC 1035). */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** Texts of the TXT records; `silent`: no answer at all; `broken`: SERVFAIL. */
export type Records = readonly string[] | "silent" | "broken";

export interface DnsServer {
  /** As `Resolver.setServers` takes it. */
  readonly address: string;
  /** By name in lower case. A name that is not here does not exist. */
  readonly records: Map<string, Records>;
  /** Names that were asked for, in order. */
  readonly asked: string[];
  close(): Promise<void>;
}

const responseCodes = { noError: 0, serverFailure: 2, nameError: 3 } as const;

export async function startDns(): Promise<DnsServer> {
  const socket = createSocket("udp4");
  const records = new Map<string, Records>();
  const asked: string[] = [];
  socket.on("message", (question, from) => {
    const name = readName(question).toLowerCase();
    asked.push(name);
    const found = records.get(name);
    if (found === "silent") return;
    const code =
      found === undefined
        ? responseCodes.nameError
        : found === "broken"
          ? responseCodes.serverFailure
          : responseCodes.noError;
    const texts = Array.isArray(found) ? (found as readonly string[]) : [];
    socket.send(answerTo(question, code, texts), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${(socket.address() as AddressInfo).port}`,
    records,
    asked,
    close: async () => {
      socket.close();
      await once(socket, "close");
    },
  };
}

/** §4.1.2: labels with their lengths before them, from byte 12 on. */
function readName(message: Buffer): string {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return labels.join(".");
}

/** The question again, and after it one record for each text, which points back to the name in the question (§4.1.4). */
function answerTo(question: Buffer, code: number, texts: readonly string[]): Buffer {
  let end = 12;
  while (question[end]! > 0) end += 1 + question[end]!;
  const asked = question.subarray(12, end + 5);
  const header = Buffer.alloc(12);
  question.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | code, 2); // A response, by recursion.
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(texts.length, 6);
  return Buffer.concat([header, asked, ...texts.map(txtRecord)]);
}

function txtRecord(text: string): Buffer {
  const bytes = Buffer.from(text);
  const pieces: Buffer[] = [];
  for (let at = 0; at < Math.max(1, bytes.length); at += 255) {
    const piece = bytes.subarray(at, at + 255);
    pieces.push(Buffer.from([piece.length]), piece);
  }
  const data = Buffer.concat(pieces);
  const head = Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 0]);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}
