// SPDX-License-Identifier: Apache-2.0
// The filter delay: requests reach the store below some time later, as they would a slow or far one.
import { type BackingStore, type FilterType, OperatorError, type ParameterValues } from '@lunkit/target-api'
import { type Held, HoldingStore } from '../holding.ts'

/** Initiators have long given up by then. */
const LONGEST_MS = 3_600_000

interface Times {
  readonly read: number
  readonly write: number
  /** At most so many more or fewer. */
  readonly jitter: number
}

class DelayedStore extends HoldingStore {
  readonly #times: Times
  constructor(below: BackingStore, times: Times) {
    super(below)
    this.#times = times
  }

  protected override hold(held: Held): void {
    const { read, write, jitter } = this.#times
    const usual = held.reads ? read : write
    const ms = usual === 0 ? 0 : usual + (2 * Math.random() - 1) * Math.min(jitter, usual)
    if (ms === 0) held.go()
    else held.timer = setTimeout(goOn, ms, held)
  }

  protected override drop({ timer }: Held): void {
    clearTimeout(timer!)
  }
}

function goOn(held: Held): void {
  held.go()
}

export const filter: FilterType = {
  apiVersion: 1,
  name: 'delay',
  parameters: {
    delay: { type: 'integer', help: 'Milliseconds that each request waits' },
    readdelay: { type: 'integer', help: 'The same for reads (that of delay if not given)' },
    writedelay: {
      type: 'integer',
      help: 'The same for writes, flushes and all that changes data (that of delay)',
    },
    jitter: { type: 'integer', help: 'Up to so many milliseconds more or fewer, by chance', initial: 0 },
  },
  open: async (below, values) => new DelayedStore(below, timesOf(values)),
}

function timesOf(values: ParameterValues): Times {
  const both = Number(values['delay'] ?? 0)
  const times = {
    read: Number(values['readdelay'] ?? both),
    write: Number(values['writedelay'] ?? both),
    jitter: Number(values['jitter'] ?? 0),
  }
  if (times.read === 0 && times.write === 0) {
    throw new OperatorError('DELAY_NONE', 'The filter delay is given no time', {
      hint: 'give delay=10, or readdelay= or writedelay=, in milliseconds',
    })
  }
  const longest = Object.values(times).find(ms => ms > LONGEST_MS)
  if (longest === undefined) return times
  throw new OperatorError('DELAY_LONG', `The filter delay cannot wait for ${longest} ms`, {
    hint: `give ${LONGEST_MS} or less`,
  })
}
