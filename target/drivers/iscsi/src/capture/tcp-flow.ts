// SPDX-License-Identifier: Apache-2.0
// IP and TCP headers around captured bytes: made up, but with the real addresses, and numbered so that a stream can be followed.
import { isIPv4, isIPv6 } from 'node:net'

export const TcpFlag = Object.freeze({ fin: 1, syn: 2, push: 8, ack: 16 } as const)

const TCP_LENGTH = 20
const TCP = 6
/** Window scale of 14 (RFC 7323): a window of 1 GiB, so that no reader of the capture takes it for full. */
const SYN_OPTIONS = Buffer.of(3, 3, 14, 1)
const WINDOW = 0xffff
/** What an IP packet can hold besides the longer of both kinds of headers, in whole words. */
export const MOST_PAYLOAD = 65_472

export interface FlowEnd {
  readonly host: string
  readonly port: number
}

/** Both directions of one TCP connection. */
export class TcpFlow {
  /** Bytes of the headers of a packet without SYN. */
  readonly headerLength: number
  readonly #isV6: boolean
  /** Addresses: initiator, target. */
  readonly #hosts: readonly [Buffer, Buffer]
  readonly #ports: readonly [number, number]
  /** Next sequence number of each end. */
  readonly #next: [number, number]
  #packets = 0

  /** `first` is the sequence number that both begin with. */
  constructor(initiator: FlowEnd, target: FlowEnd, first: number) {
    this.#isV6 = isIPv6(bare(initiator.host)) || isIPv6(bare(target.host))
    this.#hosts = [this.#bytesOf(initiator.host), this.#bytesOf(target.host)]
    this.#ports = [initiator.port, target.port]
    this.#next = [first, first]
    this.headerLength = (this.#isV6 ? 40 : 20) + TCP_LENGTH
  }

  #bytesOf(host: string): Buffer {
    const text = bare(host)
    if (this.#isV6) return isIPv6(text) ? bytesOfV6(text) : Buffer.alloc(16)
    return isIPv4(text) ? Buffer.from(text.split('.').map(Number)) : Buffer.alloc(4)
  }

  /** Writes the headers of the next packet from one end; `length` bytes of payload follow, whose 16-bit sum is `sum`. */
  write(into: Buffer, at: number, inbound: boolean, flags: number, length: number, sum: number): number {
    const from = inbound ? 0 : 1
    const options = flags & TcpFlag.syn ? SYN_OPTIONS.length : 0
    const tcpLength = TCP_LENGTH + options + length
    const tcpAt = this.#writeIp(into, at, from, tcpLength)
    into.writeUInt16BE(this.#ports[from]!, tcpAt)
    into.writeUInt16BE(this.#ports[1 - from]!, tcpAt + 2)
    into.writeUInt32BE(this.#next[from]!, tcpAt + 4)
    into.writeUInt32BE(flags & TcpFlag.ack ? this.#next[1 - from]! : 0, tcpAt + 8)
    into[tcpAt + 12] = ((TCP_LENGTH + options) / 4) << 4
    into[tcpAt + 13] = flags
    into.writeUInt16BE(WINDOW, tcpAt + 14)
    if (options > 0) SYN_OPTIONS.copy(into, tcpAt + TCP_LENGTH)
    const pseudo = sumOf(this.#hosts[0]) + sumOf(this.#hosts[1]) + TCP + tcpLength
    const headers = sumOf(into.subarray(tcpAt, tcpAt + TCP_LENGTH + options))
    into.writeUInt16BE(checksumOf(pseudo + headers + sum), tcpAt + 16)
    const counted = length + (flags & (TcpFlag.syn | TcpFlag.fin) ? 1 : 0)
    this.#next[from] = (this.#next[from]! + counted) >>> 0
    return tcpAt + TCP_LENGTH + options
  }

  #writeIp(into: Buffer, at: number, from: number, length: number): number {
    const source = this.#hosts[from]!
    const destination = this.#hosts[1 - from]!
    if (this.#isV6) {
      into.writeUInt32BE(0x6000_0000, at)
      into.writeUInt16BE(length, at + 4)
      into[at + 6] = TCP
      into[at + 7] = 64
      source.copy(into, at + 8)
      destination.copy(into, at + 24)
      return at + 40
    }
    into.writeUInt16BE(0x4500, at)
    into.writeUInt16BE(20 + length, at + 2)
    into.writeUInt16BE(this.#packets++ & 0xffff, at + 4)
    // Not to be fragmented.
    into.writeUInt16BE(0x4000, at + 6)
    into[at + 8] = 64
    into[at + 9] = TCP
    source.copy(into, at + 12)
    destination.copy(into, at + 16)
    into.writeUInt16BE(checksumOf(sumOf(into.subarray(at, at + 20))), at + 10)
    return at + 20
  }
}

/** Bytes that a header with SYN has more. */
export const SYN_BYTES = SYN_OPTIONS.length

/** Sum of big-endian 16-bit words, for the internet checksum (RFC 1071); an odd last byte counts as a high one. */
export function sumOf(bytes: Uint8Array): number {
  let sum = 0
  const even = bytes.length & ~1
  for (let i = 0; i < even; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!
  return bytes.length === even ? sum : sum + (bytes[even]! << 8)
}

/** Sum over slices that follow each other. */
export function sumOfAll(slices: readonly Uint8Array[]): number {
  let sum = 0
  let isOdd = false
  for (const slice of slices) {
    const own = fold(sumOf(slice))
    // Behind an odd number of bytes high and low change places.
    sum += isOdd ? ((own & 0xff) << 8) | (own >> 8) : own
    if (slice.length & 1) isOdd = !isOdd
  }
  return sum
}

function fold(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000)
  return folded
}

const checksumOf = (sum: number): number => ~fold(sum) & 0xffff

/** An address without its zone. */
const bare = (host: string): string => host.replace(/%.*$/, '')

/** The bytes of an IPv6 address as it is written. */
function bytesOfV6(text: string): Buffer {
  // An IPv4 address at the end stands for two groups.
  const words = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [(Number(a) << 8) | Number(b), (Number(c) << 8) | Number(d)].map(word => word.toString(16)).join(':'),
  )
  const [head = '', tail] = words.split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const bytes = Buffer.alloc(16)
  for (const [i, word] of before.entries()) bytes.writeUInt16BE(Number.parseInt(word, 16), i * 2)
  for (const [i, word] of after.entries())
    bytes.writeUInt16BE(Number.parseInt(word, 16), 16 - (after.length - i) * 2)
  return bytes
}
