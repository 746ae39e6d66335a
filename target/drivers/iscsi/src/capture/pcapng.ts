// SPDX-License-Identifier: Apache-2.0
// The blocks of a capture file in pcapng format (IETF draft-ietf-opsawg-pcapng), little-endian, with one raw IP interface.

/** LINKTYPE_RAW: packets begin with an IPv4 or IPv6 header. */
const RAW_IP = 101

const BlockType = { section: 0x0a0d_0d0a, interface: 1, statistics: 5, packet: 6 } as const
/** Codes of options. */
const Option = {
  name: 2,
  application: 4,
  resolution: 9,
  flags: 2,
  dropCount: 4,
  received: 4,
  dropped: 5,
} as const

/** Bytes of a packet block before the packet, and behind it: flags, drop count, end of options, length. */
const PACKET_HEAD = 28
const PACKET_TAIL = 8 + 12 + 4 + 4
/** From the end of a block to its drop count. */
const DROPS_FROM_END = 16

/** Bytes of the block of a packet of which `kept` bytes are kept. */
export const packetBlockLength = (kept: number): number => PACKET_HEAD + ((kept + 3) & ~3) + PACKET_TAIL

/** Offset of the packet in its block. */
export const PACKET_AT = PACKET_HEAD

/** Begins a file: section header and interface description. */
export function fileHead(): Buffer {
  const section = Buffer.alloc(16)
  section.writeUInt32LE(0x1a2b_3c4d, 0)
  section.writeUInt16LE(1, 4)
  // The length of the section is not known.
  section.fill(0xff, 8)
  const link = Buffer.alloc(8)
  link.writeUInt16LE(RAW_IP, 0)
  const microseconds = Buffer.of(6)
  return Buffer.concat([
    block(BlockType.section, section, [[Option.application, Buffer.from('lunkit')]]),
    block(BlockType.interface, link, [
      [Option.name, Buffer.from('iscsi')],
      [Option.resolution, microseconds],
    ]),
  ])
}

/** Ends a file: how many packets there were, and how many of them are not in it. `time` in microseconds. */
export function fileStatistics(time: number, received: number, dropped: number): Buffer {
  const body = Buffer.alloc(12)
  writeTime(body, 4, time)
  return block(BlockType.statistics, body, [
    [Option.received, number64(received)],
    [Option.dropped, number64(dropped)],
  ])
}

/**
 * A packet's block but for the first `kept` bytes of the packet, which belong at `PACKET_AT`. The whole packet has `length`
 * bytes. `time` in microseconds since 1970.
 */
export function packetBlock(time: number, kept: number, length: number, inbound: boolean): Buffer {
  const total = packetBlockLength(kept)
  const into = Buffer.alloc(total)
  into.writeUInt32LE(BlockType.packet, 0)
  into.writeUInt32LE(total, 4)
  writeTime(into, 12, time)
  into.writeUInt32LE(kept, 20)
  into.writeUInt32LE(length, 24)
  let at = total - PACKET_TAIL
  into.writeUInt16LE(Option.flags, at)
  into.writeUInt16LE(4, at + 2)
  into.writeUInt32LE(inbound ? 1 : 2, at + 4)
  at += 8
  into.writeUInt16LE(Option.dropCount, at)
  into.writeUInt16LE(8, at + 2)
  into.writeUInt32LE(total, total - 4)
  return into
}

/** Says in a packet's block how many packets before it are missing. */
export function setDrops(packet: Buffer, drops: number): void {
  const at = packet.length - DROPS_FROM_END
  packet.writeUInt32LE(drops >>> 0, at)
  packet.writeUInt32LE(Math.floor(drops / 0x1_0000_0000), at + 4)
}

function block(type: number, body: Buffer, options: readonly (readonly [number, Buffer])[]): Buffer {
  const parts = options.flatMap(([code, value]) => {
    const head = Buffer.alloc(4)
    head.writeUInt16LE(code, 0)
    head.writeUInt16LE(value.length, 2)
    return [head, value, Buffer.alloc(-value.length & 3)]
  })
  const content = Buffer.concat([body, ...parts, Buffer.alloc(4)])
  const whole = Buffer.alloc(content.length + 12)
  whole.writeUInt32LE(type, 0)
  whole.writeUInt32LE(whole.length, 4)
  content.copy(whole, 8)
  whole.writeUInt32LE(whole.length, whole.length - 4)
  return whole
}

function writeTime(into: Buffer, at: number, time: number): void {
  into.writeUInt32LE(Math.floor(time / 0x1_0000_0000), at)
  into.writeUInt32LE(time % 0x1_0000_0000, at + 4)
}

function number64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value), 0)
  return bytes
}
