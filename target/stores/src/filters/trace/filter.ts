// SPDX-License-Identifier: Apache-2.0
// The filter trace: a line for each request to the layers below, with what they answered and how long that took.
import { performance } from 'node:perf_hooks'
import {
  type BackingStore,
  type FilterType,
  OperatorError,
  StoreError,
  type StoreIo,
} from '@lunkit/target-api'
import { InnerIo } from '../../inner-io.ts'
import { type Call, PassingStore } from '../passing.ts'
import { openTraceLog, type TraceLog } from './trace-log.ts'

const USUAL = 64 * 2 ** 20
const LEAST = 4096
const KEPT = 256

const NAMES = Object.fromEntries(Object.entries(StoreError).map(([name, error]) => [error, name]))

class TracedIo extends InnerIo {
  next: TracedIo | null = null
  call: Call | 'copy' = 'read'
  began = 0
  readonly owner: TracedStore

  constructor(owner: TracedStore, outer: StoreIo) {
    super(outer, inner => owner.answered(inner as TracedIo))
    this.owner = owner
  }
}

class TracedStore extends PassingStore {
  readonly #log: TraceLog
  #free: TracedIo | null = null
  #kept = 0

  constructor(below: BackingStore, log: TraceLog) {
    super(below)
    this.#log = log
    if (below.abort !== undefined) {
      this.abort = io => {
        const traced = io.storeData
        if (traced instanceof TracedIo && traced.owner === this) below.abort!(traced)
      }
    }
  }

  protected override pass(call: Call, io: StoreIo): void {
    this.below[call]!(this.#begin(call, io))
  }

  protected override passCopy(io: StoreIo, source: BackingStore, sourceOffset: number): void {
    this.below.copy!(this.#begin('copy', io), source, sourceOffset)
  }

  answered(traced: TracedIo): void {
    const { outer, call, error } = traced
    this.#log.line(lineOf(traced, performance.now()))
    if (call === 'map') outer.length = traced.length
    traced.passOn()
    if (this.#kept < KEPT) {
      traced.next = this.#free
      this.#free = traced
      this.#kept++
    }
    outer.finish(error)
  }

  override async close(): Promise<void> {
    try {
      await this.below.close()
    } finally {
      await this.#log.close()
    }
  }

  #begin(call: TracedIo['call'], io: StoreIo): TracedIo {
    let traced = this.#free
    if (traced === null) traced = new TracedIo(this, io)
    else {
      this.#free = traced.next
      traced.next = null
      this.#kept--
    }
    traced.begin(io)
    traced.call = call
    traced.began = performance.now()
    return traced
  }
}

/** `2026-11-29T10:00:00.000Z write 4096+512 fua 0.153 ms none`. */
function lineOf(traced: TracedIo, now: number): string {
  const { call, outer, began, error, failedAt } = traced
  const when = new Date(performance.timeOrigin + began).toISOString()
  const place = call === 'flush' ? '' : ` ${outer.offset}+${outer.length}`
  const fua = call === 'write' && outer.forceUnitAccess ? ' fua' : ''
  const answer =
    call === 'map' && error === StoreError.none
      ? `${traced.held ? 'held' : traced.anchored ? 'anchored' : 'hole'} ${traced.length}`
      : `${NAMES[error]}${failedAt >= 0 && error !== StoreError.none ? ` at ${failedAt}` : ''}`
  return `${when} ${call}${place}${fua} ${(now - began).toFixed(3)} ms ${answer}`
}

export const filter: FilterType = {
  apiVersion: 1,
  name: 'trace',
  parameters: {
    tracefile: { type: 'path', help: 'File that the lines are appended to; standard error if not given' },
    tracelimit: {
      type: 'size',
      help: 'Most bytes of the file: then it becomes FILE.1, and a new one is begun',
      initial: USUAL,
    },
  },
  open: async (below, values) => {
    const path = values['tracefile']
    const most = Number(values['tracelimit'] ?? USUAL)
    if (most < LEAST) {
      throw new OperatorError('TRACE_LIMIT', `A trace of ${most} bytes is too short`, {
        hint: `give tracelimit=${LEAST} or more`,
      })
    }
    return new TracedStore(below, await openTraceLog(path === undefined ? null : String(path), most))
  },
}
