// SPDX-License-Identifier: Apache-2.0
// One request of bytes while it is made of whole blocks: what it reads first, what it writes, and its lock.
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { InnerIo } from '../inner-io.ts'
import type { Blockwise } from './blockwise.ts'
import type { Holder } from './range-locks.ts'

/** Bytes of one block that a range covers in part: `from` to `to`, in the block at `at`. */
interface Edge {
  readonly at: number
  readonly from: number
  readonly to: number
}

/** What the answer that comes next is to. */
type Step = 'last' | 'head' | 'tail' | 'whole' | 'edge read' | 'edge written'

export class Turn extends InnerIo implements Holder {
  next: Turn | null = null
  from = 0
  to = 0
  exclusive = false
  granted = false
  what: 'read' | 'write' | 'inner' | 'zero' = 'read'
  /** What does the whole blocks of a range. */
  whole: ((io: StoreIo) => void) | null = null
  readonly owner: Blockwise
  /** The blocks that the first and the last byte are in, where others share them. */
  #head: Buffer | null = null
  #tail: Buffer | null = null
  #step: Step = 'last'
  #edges: Edge[] = []
  #aborted = false
  /** Counts the requests that it has been. */
  #serial = 0

  constructor(owner: Blockwise, outer: StoreIo) {
    super(outer, () => this.#answered())
    this.owner = owner
  }

  take(outer: StoreIo, what: Turn['what'], whole: Turn['whole']): void {
    this.begin(outer)
    const { block, calls } = this.owner
    const end = outer.offset + outer.length
    this.what = what
    this.whole = whole
    this.from = outer.offset - (outer.offset % block)
    this.to = Math.min(end + ((block - (end % block)) % block), calls.size ?? Number.POSITIVE_INFINITY)
    this.exclusive = what !== 'read'
    this.#aborted = false
    this.#serial++
    this.owner.locks.take(this)
  }

  abort(): void {
    if (this.granted) {
      this.#aborted = true
      this.owner.calls.abortBlocks?.(this)
    } else this.#end(StoreError.aborted)
  }

  go(): void {
    const { outer } = this
    const serial = this.#serial
    try {
      if (this.what === 'read') this.#readAll()
      else if (this.what === 'write') this.#readHead()
      else this.#range()
    } catch (cause) {
      if (this.granted && this.#serial === serial) this.fault(cause)
      // It was answered before: it may be another request by now.
      else outer.task.fault(cause)
    }
  }

  /** Its blocks are free for others; what threw may still have it, so that it is not used again. */
  override fault(cause: unknown): void {
    this.owner.threw(this)
    super.fault(cause)
  }

  get #lead(): number {
    return this.outer.offset - this.from
  }

  get #trail(): number {
    return this.to - this.outer.offset - this.outer.length
  }

  /** Everything in one go; what is beside the bytes goes into blocks of this turn's own. */
  #readAll(): void {
    const [lead, trail] = [this.#lead, this.#trail]
    if (lead > 0) this.segments.unshift(this.#headBlock().subarray(0, lead))
    if (trail > 0) this.segments.push(this.#tailBlock().subarray(0, trail))
    this.#call('last', this.from, this.to - this.from)
  }

  #readHead(): void {
    if (this.#lead === 0 && this.#trail === 0) this.#call('last', this.from, this.to - this.from)
    else if (this.#lead === 0) this.#readTail()
    else this.#readInto(this.#headBlock(), 'head', this.from)
  }

  /** Where the last block begins, which may be a short one. */
  get #lastBlock(): number {
    return this.to - (this.to % this.owner.block || this.owner.block)
  }

  #readTail(): void {
    const at = this.#lastBlock
    if (this.#trail === 0) this.#writeAll()
    else if (this.#lead > 0 && at === this.from) {
      this.#headBlock().copy(this.#tailBlock())
      this.#writeAll()
    } else this.#readInto(this.#tailBlock(), 'tail', at)
  }

  #writeAll(): void {
    const [lead, trail] = [this.#lead, this.#trail]
    const short = this.to - this.#lastBlock
    this.#drop()
    if (lead > 0) this.segments.push(this.#headBlock().subarray(0, lead))
    for (let i = 0; i < this.outer.segments.length; i++) this.segments.push(this.outer.segments[i]!)
    if (trail > 0) this.segments.push(this.#tailBlock().subarray(short - trail, short))
    this.#call('last', this.from, this.to - this.from)
  }

  #range(): void {
    const { block } = this.owner
    const { offset, length } = this.outer
    const end = offset + length
    const first = this.#lead > 0 ? this.from + block : this.from
    const last = this.#trail > 0 ? this.#lastBlock : this.to
    this.#edges = []
    if (this.what === 'zero') {
      if (this.to - this.from <= block && (this.#lead > 0 || this.#trail > 0)) {
        this.#edges.push({ at: this.from, from: offset - this.from, to: end - this.from })
      } else {
        if (this.#lead > 0) this.#edges.push({ at: this.from, from: this.#lead, to: block })
        if (this.#trail > 0) this.#edges.push({ at: last, from: 0, to: end - last })
      }
    }
    if (first >= last) this.#nextEdge()
    else {
      this.#step = 'whole'
      this.offset = first
      this.length = last - first
      this.whole!(this)
    }
  }

  #nextEdge(): void {
    const edge = this.#edges[0]
    if (edge === undefined) this.#end(StoreError.none)
    else this.#readInto(this.#headBlock(), 'edge read', edge.at)
  }

  #writeEdge(): void {
    const { at, from, to } = this.#edges.shift()!
    const block = this.#headBlock()
      .fill(0, from, to)
      .subarray(0, this.to - at)
    this.#drop()
    this.segments.push(block)
    this.#call('edge written', at, block.length, true)
  }

  #answered(): void {
    if (this.error !== StoreError.none || this.#step === 'last') this.#end(this.error)
    else if (this.#aborted) this.#end(StoreError.aborted)
    else if (this.#step === 'head') this.#readTail()
    else if (this.#step === 'tail') this.#writeAll()
    else if (this.#step === 'edge read') this.#writeEdge()
    else this.#nextEdge()
  }

  #readInto(block: Buffer, step: Step, at: number): void {
    const part = block.subarray(0, this.to - at)
    this.#drop()
    this.segments.push(part)
    this.#call(step, at, part.length, false)
  }

  #call(step: Step, offset: number, length: number, writes = this.what === 'write'): void {
    this.#step = step
    this.offset = offset
    this.length = length
    if (writes) this.owner.calls.writeBlocks(this)
    else this.owner.calls.readBlocks(this)
  }

  #end(error: StoreError): void {
    const { offset, length } = this.outer
    // What failed beside the bytes is told at the nearest of them.
    if (this.failedAt >= 0) this.failedAt = Math.min(Math.max(this.failedAt, offset), offset + length - 1)
    this.whole = null
    this.passOn()
    this.owner.ended(this, error)
  }

  #drop(): void {
    while (this.segments.length > 0) this.segments.pop()
  }

  #headBlock(): Buffer {
    this.#head ??= Buffer.alloc(this.owner.block)
    return this.#head
  }

  #tailBlock(): Buffer {
    this.#tail ??= Buffer.alloc(this.owner.block)
    return this.#tail
  }
}
