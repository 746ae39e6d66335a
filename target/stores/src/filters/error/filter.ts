// SPDX-License-Identifier: Apache-2.0
// The filter error: requests that a rule meets fail, wait or are never answered; what is below never sees those that fail.
import {
  type BackingStore,
  type Controls,
  type FilterType,
  OperatorError,
  type ParameterTable,
  StoreError,
  type StoreIo,
} from '@lunkit/target-api'
import { type Call, PassingStore } from '../passing.ts'
import { parseRules, RULE_USAGE, type Rule } from './rules.ts'

/** How often it looks whether those who wait for a dropped request have given it up by themselves. */
const LOOK_MS = 500

export class ErrorStore extends PassingStore {
  /** Bytes of a block in the rules. */
  readonly #block: number
  #rules: readonly Rule[] = []
  /** Requests that are not answered yet, and what ends their waiting, if anything does. */
  readonly #held = new Map<StoreIo, NodeJS.Timeout | null>()
  #looking: NodeJS.Timeout | null = null

  /** Throws OperatorError. */
  constructor(below: BackingStore, rules: readonly string[], block: number) {
    super(below, ['copy'])
    this.#block = block
    this.#rules = parseRules(rules, block)
    this.abort = io => {
      if (!this.#release(io, StoreError.aborted)) below.abort?.(io)
    }
  }

  protected override ownControls(): Controls {
    return {
      errors: {
        usage: '[none | RULE ...]',
        changes: 'nothing',
        run: async words => {
          if (words.length > 0) this.#rules = words.join() === 'none' ? [] : parseRules(words, this.#block)
          return Object.fromEntries(this.#rules.map(({ text, hits }) => [text, hits]))
        },
      },
    }
  }

  protected override pass(call: Call, io: StoreIo): void {
    const rules = this.#rules
    for (let i = 0; i < rules.length; i++) {
      if (!rules[i]!.meets(call, io)) continue
      this.#apply(rules[i]!, call, io)
      return
    }
    this.below[call]!(io)
  }

  override close(): Promise<void> {
    for (const io of [...this.#held.keys()]) this.#release(io, StoreError.gone)
    return this.below.close()
  }

  #apply(rule: Rule, call: Call, io: StoreIo): void {
    const { outcome } = rule
    if (outcome === 'delay') this.#delay(rule.ms, call, io)
    else if (outcome !== 'drop') {
      io.sense = rule.sense
      io.reason = `rehearsed: ${rule.text}`
      if (outcome === StoreError.medium && call !== 'flush') io.failedAt = Math.max(io.offset, rule.start)
      io.finish(outcome)
      // What no command waits for could be given up by nobody.
    } else if (io.task.nexus === null) this.below[call]!(io)
    else {
      this.#held.set(io, null)
      this.#look()
    }
  }

  #delay(ms: number, call: Call, io: StoreIo): void {
    const timer = setTimeout(() => {
      this.#held.delete(io)
      try {
        this.below[call]!(io)
      } catch (cause) {
        // Nobody else would hear of it.
        io.task.fault(cause)
      }
    }, ms)
    this.#held.set(io, timer)
  }

  #release(io: StoreIo, error: StoreError): boolean {
    const timer = this.#held.get(io)
    if (timer === undefined) return false
    if (timer !== null) clearTimeout(timer)
    this.#held.delete(io)
    io.finish(error)
    return true
  }

  /** A format, for one, is stopped without an abort. */
  #look(): void {
    this.#looking ??= setTimeout(() => {
      this.#looking = null
      for (const io of [...this.#held.keys()]) if (io.task.aborted) this.#release(io, StoreError.aborted)
      if (this.#held.size > 0) this.#look()
    }, LOOK_MS).unref()
  }
}

const parameters = {
  errors: { type: 'string', help: `Rules, with + between them: ${RULE_USAGE}`, initial: '' },
  block: { type: 'size', help: 'Bytes of a block in lba=', initial: 512 },
} as const satisfies ParameterTable

export const filter: FilterType = {
  apiVersion: 1,
  name: 'error',
  parameters,
  open: async (below, values) => {
    const block = Number(values['block'] ?? parameters.block.initial)
    if (!(block >= 1)) {
      throw new OperatorError('ERROR_BLOCK', `Filter error: a block cannot have ${block} bytes`, {
        hint: 'give 512 or 4096',
      })
    }
    const rules = String(values['errors'] ?? '').split('+')
    return new ErrorStore(
      below,
      rules.filter(text => text !== ''),
      block,
    )
  },
}
