// SPDX-License-Identifier: Apache-2.0
// Which requests a call of the store is made of: pieces that the server takes, aligned to its smallest block.
import type { StoreIo } from '@lunkit/target-api'
import { type Call, Kind } from './call.ts'
import type { NbdExport } from './handshake.ts'
import { Command, CommandFlag, ExportFlag, ExtentState } from './protocol.ts'

/** What a server takes in one request, in bytes, and what it can do. */
export interface Limits {
  readonly minBlock: number
  /** Data of one request; a multiple of `minBlock`. */
  readonly piece: number
  readonly fua: boolean
  readonly flush: boolean
}

/** Largest data of one request: many servers let a connection go that sends more. */
const LARGEST_PIECE = 32 * 1024 * 1024
/** Bytes that one request without data may be about; multiples of every block there can be. */
const LARGEST_EFFECT = 2 ** 30
const LARGEST_STATUS = 2 ** 32 - 65_536

export function limitsOf({ minBlock, maxPayload, flags }: NbdExport): Limits {
  const most = Math.min(maxPayload, LARGEST_PIECE)
  return {
    minBlock,
    piece: most - (most % minBlock),
    fua: (flags & ExportFlag.fua) !== 0,
    flush: (flags & ExportFlag.flush) !== 0,
  }
}

const Phase = Object.freeze({ head: 0, tail: 1, body: 2, flush: 3, over: 4 } as const)
const ZEROS = Buffer.alloc(65_536)

/** Whether the call has to read what stands around its bytes before it writes them. */
export const isNarrow = (call: Call): boolean => call.head !== null || call.tail !== null

/** Makes the call one for this request. */
export function begin(call: Call, kind: Kind, io: StoreIo | null, limits: Limits): void {
  call.kind = kind
  call.io = io
  call.head = call.tail = null
  call.losses = 0
  if (io === null) {
    call.start = call.end = 0
    rewind(call)
    return
  }
  const { minBlock } = limits
  const from = io.offset
  const to = from + io.length
  call.start = from - (from % minBlock)
  call.end = to + ((minBlock - (to % minBlock)) % minBlock)
  if (kind === Kind.trim) {
    // A hint about less than a block is none.
    if (call.start !== from) call.start += minBlock
    if (call.end !== to) call.end -= minBlock
  } else if (kind === Kind.write || kind === Kind.zeroes || kind === Kind.discard) {
    if (call.start !== from) call.head = Buffer.allocUnsafeSlow(minBlock)
    if (call.end !== to)
      call.tail =
        call.end - call.start === minBlock && call.head ? call.head : Buffer.allocUnsafeSlow(minBlock)
  }
  rewind(call)
}

/** Back to its first request. */
export function rewind(call: Call): void {
  call.at = call.start
  call.phase = call.head !== null ? Phase.head : call.tail !== null ? Phase.tail : Phase.body
}

/** Whether some of what it changes has been answered before the request that is on the wire. */
export const hasProgress = (call: Call): boolean => call.at > call.start

/** Makes the next request of the call; false if there is none. */
export function nextRequest(call: Call, limits: Limits): boolean {
  const { minBlock } = limits
  call.flags = 0
  if (call.phase === Phase.head) {
    call.phase = call.tail === call.head ? Phase.body : Phase.tail
    return around(call, call.start, call.head!)
  }
  if (call.phase === Phase.tail) {
    call.phase = Phase.body
    if (call.tail !== null) return around(call, call.end - minBlock, call.tail)
  }
  if (call.kind === Kind.flush) return call.phase === Phase.body && flush(call)
  if (call.phase === Phase.body && call.at < call.end) return body(call, limits)
  const forced = call.phase === Phase.body && isForced(call) && !limits.fua && limits.flush
  return forced && flush(call)
}

/** Takes note that the request was done. */
export function took(call: Call): void {
  const isBody = call.phase === Phase.body && call.command !== Command.read
  if (isBody || call.kind === Kind.read) call.at += call.length
}

const isForced = ({ kind, io }: Call): boolean =>
  (kind === Kind.write || kind === Kind.zeroes) && io !== null && io.forceUnitAccess

/** Whether what it changed is durable with its answer. */
export const isDurable = (call: Call, limits: Limits): boolean =>
  isForced(call) && (limits.fua || limits.flush)

function around(call: Call, offset: number, block: Buffer): boolean {
  call.command = Command.read
  call.offset = offset
  call.length = block.length
  call.expect([block], offset)
  return true
}

function flush(call: Call): boolean {
  call.phase = Phase.over
  call.command = Command.flush
  call.offset = call.length = 0
  call.expect([], 0)
  return true
}

function body(call: Call, limits: Limits): boolean {
  const io = call.io!
  const left = call.end - call.at
  const zeroes = call.kind === Kind.zeroes || call.kind === Kind.discard
  call.offset = call.at
  if (call.kind === Kind.read) {
    call.command = Command.read
    call.length = Math.min(left, limits.piece)
    call.expect(io.segments, io.offset)
    return true
  }
  if (call.kind === Kind.map) {
    call.command = Command.blockStatus
    call.flags = CommandFlag.onlyOne
    call.length = Math.min(left, LARGEST_STATUS)
  } else if (call.kind === Kind.trim) {
    call.command = Command.trim
    call.length = Math.min(left, LARGEST_EFFECT)
  } else if (zeroes && !isNarrow(call)) {
    call.command = Command.writeZeroes
    if (call.kind === Kind.zeroes) call.flags = CommandFlag.noHole
    call.length = Math.min(left, LARGEST_EFFECT)
  } else {
    call.command = Command.write
    call.length = Math.min(left, limits.piece)
  }
  if (limits.fua && isForced(call)) call.flags |= CommandFlag.fua
  call.expect([], call.offset)
  return true
}

/** The data of a write's request: the block's bytes before it, its own, and the block's behind it. */
export function payloadOf(call: Call, out: Buffer[]): void {
  const io = call.io!
  const { offset, length, head, tail } = call
  const to = io.offset + io.length
  let from = offset
  const stop = offset + length
  if (head !== null && from < io.offset) {
    out.push(head.subarray(0, io.offset - from))
    from = io.offset
  }
  const own = Math.min(stop, to)
  if (call.kind === Kind.write) slices(io.segments, from - io.offset, own - io.offset, out)
  else
    for (let at = from; at < own; at += ZEROS.length)
      out.push(ZEROS.subarray(0, Math.min(own - at, ZEROS.length)))
  if (tail !== null && stop > to) out.push(tail.subarray(tail.length - (stop - to)))
}

function slices(segments: readonly Buffer[], from: number, to: number, out: Buffer[]): void {
  let start = 0
  for (let i = 0; i < segments.length && start < to; i++) {
    const part = segments[i]!
    const end = start + part.length
    if (end > from && part.length > 0) {
      const whole = start >= from && end <= to
      out.push(whole ? part : part.subarray(Math.max(from - start, 0), Math.min(to, end) - start))
    }
    start = end
  }
}

/** What a block status means to whoever asked for it. `zeroed`: discarded bytes read as zeros. */
export function tellExtent(call: Call, io: StoreIo, zeroed: boolean): void {
  const run = Math.min(call.extent - (io.offset - call.start), io.length)
  const hole = (call.extentState & ExtentState.hole) !== 0
  const zero = (call.extentState & ExtentState.zero) !== 0
  io.anchored = false
  // What is not held has to read as discarded bytes do.
  io.held = run < 1 || !hole || (zeroed && !zero)
  if (run >= 1) io.length = run
}
