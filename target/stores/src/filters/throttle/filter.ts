// SPDX-License-Identifier: Apache-2.0
// The filter throttle: no more requests and bytes a second than given, for reads, writes and both.
import { performance } from 'node:perf_hooks'
import {
  type BackingStore,
  type Controls,
  type FilterType,
  OperatorError,
  type ParameterTable,
  type ParameterValues,
  readParameters,
} from '@lunkit/target-api'
import { type Held, HoldingStore } from '../holding.ts'
import { Bucket } from './bucket.ts'

interface Limit {
  readonly bucket: Bucket
  readonly counts: 'requests' | 'bytes'
}

/** What waits in one direction, in order. */
class Queue {
  #limits: readonly Limit[] = []
  readonly #waiting: Held[] = []
  #timer: NodeJS.Timeout | null = null
  #pumping = false

  /** From now on, for those that wait, too. */
  limit(limits: readonly Limit[]): void {
    this.#limits = limits
    if (this.#timer === null) return
    clearTimeout(this.#timer)
    this.#again()
  }

  add(held: Held): void {
    this.#waiting.push(held)
    if (this.#timer === null && !this.#pumping) this.#pump()
  }

  /** Without anybody who waits there is no timer: it could hold the process for hours behind its end. */
  remove(held: Held): void {
    this.#waiting.splice(this.#waiting.indexOf(held), 1)
    if (this.#waiting.length > 0 || this.#timer === null) return
    clearTimeout(this.#timer)
    this.#timer = null
  }

  /** Lets go what may go now, one after the other, and comes back for the rest. */
  #pump(): void {
    this.#pumping = true
    let wait = 0
    while (this.#waiting.length > 0 && wait === 0) {
      wait = this.#wait()
      if (wait > 0) break
      const held = this.#waiting.shift()!
      for (const { bucket, counts } of this.#limits) bucket.take(counts === 'requests' ? 1 : bytesOf(held))
      held.go()
    }
    this.#pumping = false
    if (wait > 0) this.#timer = setTimeout(() => this.#again(), Math.ceil(wait))
  }

  #again(): void {
    this.#timer = null
    this.#pump()
  }

  #wait(): number {
    const now = performance.now()
    let wait = 0
    for (const { bucket } of this.#limits) wait = Math.max(wait, bucket.wait(now))
    return wait
  }
}

/** Discards, zeros and the like move none. */
const bytesOf = ({ call, io }: Held): number =>
  call === 'read' || call === 'write' || call === 'copy' ? io.length : 0

class ThrottledStore extends HoldingStore {
  readonly #reads = new Queue()
  readonly #writes = new Queue()
  #values: ParameterValues = {}

  constructor(below: BackingStore, values: ParameterValues) {
    super(below)
    this.#limit(values)
  }

  protected override ownControls(): Controls {
    return {
      rates: {
        usage: `[none | ${Object.keys(PARAMETERS).join('=N | ')}=N ...]`,
        changes: 'nothing',
        run: async words => {
          if (words.length > 0) this.#limit(words.join() === 'none' ? {} : ratesOf(words))
          return Object.fromEntries(Object.entries(this.#values).map(([key, value]) => [key, Number(value)]))
        },
      },
    }
  }

  #limit(values: ParameterValues): void {
    this.#values = Object.fromEntries(
      Object.entries(values).filter(([key]) => Object.hasOwn(PARAMETERS, key)),
    )
    const now = performance.now()
    const limit = (key: string, counts: Limit['counts']): Limit[] =>
      values[key] === undefined ? [] : [{ bucket: new Bucket(Number(values[key]), now), counts }]
    const both = [...limit('iops', 'requests'), ...limit('rate', 'bytes')]
    this.#reads.limit([...both, ...limit('readiops', 'requests'), ...limit('readrate', 'bytes')])
    this.#writes.limit([...both, ...limit('writeiops', 'requests'), ...limit('writerate', 'bytes')])
  }

  protected override hold(held: Held): void {
    this.#queue(held).add(held)
  }

  protected override drop(held: Held): void {
    this.#queue(held).remove(held)
  }

  #queue({ reads }: Held): Queue {
    return reads ? this.#reads : this.#writes
  }
}

const PARAMETERS = {
  iops: { type: 'integer', help: 'Most requests a second' },
  rate: { type: 'size', help: 'Most bytes a second, such as 10M' },
  readiops: { type: 'integer', help: 'Most reads a second' },
  readrate: { type: 'size', help: 'Most bytes a second that are read' },
  writeiops: { type: 'integer', help: 'Most writes, flushes and the like a second' },
  writerate: { type: 'size', help: 'Most bytes a second that are written' },
} as const satisfies ParameterTable

export const filter: FilterType = {
  apiVersion: 1,
  name: 'throttle',
  parameters: PARAMETERS,
  open: async (below, values) => {
    check(values)
    return new ThrottledStore(below, values)
  },
}

/** Throws OperatorError. */
function ratesOf(words: readonly string[]): ParameterValues {
  const pairs = words.map(word => {
    const [, key, value] = /^(\w+)=(.*)$/.exec(word) ?? []
    return [key ?? word, value ?? ''] as const
  })
  const values = readParameters('rates', PARAMETERS, Object.fromEntries(pairs))
  check(values)
  return values
}

function check(values: ParameterValues): void {
  const given = Object.keys(PARAMETERS).filter(key => values[key] !== undefined)
  const none = given.find(key => Number(values[key]) < 1)
  if (given.length > 0 && none === undefined) return
  throw new OperatorError(
    'THROTTLE_NONE',
    none === undefined
      ? 'The filter throttle is given no limit'
      : `The filter throttle cannot let pass ${none}=0`,
    {
      hint: 'give iops=, rate=, or one of readiops, readrate, writeiops and writerate; what is left away is unlimited',
    },
  )
}
