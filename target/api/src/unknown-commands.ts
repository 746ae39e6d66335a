// SPDX-License-Identifier: Apache-2.0
// Which commands initiators asked a unit for in vain, and how often: tells an operator what a system misses.
import { ALL_COMMANDS } from '@lunkit/spec'

/** Different commands that are told apart; what is beyond is counted as one. */
const MOST = 256

/** Opcodes that are told apart by service action. */
const WITH_ACTION: ReadonlySet<number> = new Set(
  ALL_COMMANDS.filter(({ serviceAction }) => serviceAction >= 0).map(({ opcode }) => opcode),
)

const NAMES = new Map<number, string>()
for (const { opcode, serviceAction, name } of ALL_COMMANDS) {
  const key = keyOf(opcode, serviceAction)
  if (!NAMES.has(key)) NAMES.set(key, name)
}

export interface UnknownCommand {
  /** The standard's name; where it has none, operation code and service action in hexadecimal. */
  readonly name: string
  readonly count: number
}

export class UnknownCommands {
  /** In all. */
  total = 0
  #others = 0
  readonly #counts = new Map<number, number>()

  count(cdb: Uint8Array): void {
    this.total++
    const opcode = cdb[0]!
    const key = keyOf(opcode, WITH_ACTION.has(opcode) ? actionOf(cdb) : -1)
    const before = this.#counts.get(key)
    if (before === undefined && this.#counts.size >= MOST) this.#others++
    else this.#counts.set(key, (before ?? 0) + 1)
  }

  /** By name, the most frequent first. */
  list(): UnknownCommand[] {
    const found = [...this.#counts].map(([key, count]) => ({ name: nameOf(key), count }))
    if (this.#others > 0) found.push({ name: 'others', count: this.#others })
    return found.sort((a, b) => b.count - a.count)
  }
}

function keyOf(opcode: number, action: number): number {
  return (opcode << 17) | (action + 1)
}

function actionOf(cdb: Uint8Array): number {
  return cdb[0] === 0x7f ? (cdb[8]! << 8) | cdb[9]! : cdb[1]! & 0x1f
}

function nameOf(key: number): string {
  const action = (key & 0x1ffff) - 1
  const code = `operation code ${hex(key >>> 17, 2)}`
  return (
    NAMES.get(key) ?? (action < 0 ? code : `${code}, service action ${hex(action, action > 0x1f ? 4 : 2)}`)
  )
}

const hex = (value: number, digits: number): string =>
  `${value.toString(16).toUpperCase().padStart(digits, '0')}h`
