// SPDX-License-Identifier: Apache-2.0
// What the login of a tapped connection has agreed on, as plain values: defaults, offers and answers.
import { LoginStage, Opcode, parseText } from '@lunkit/spec'
import type { Side, TappedPdu } from './wire-tap.ts'

/** The keys of one session; the leading connection settles them. */
export interface SessionKeys {
  initialR2T: boolean
  immediateData: boolean
  firstBurst: number
  maxBurst: number
  maxOutstandingR2T: number
  errorRecoveryLevel: number
}

const NAMES: Readonly<Record<string, keyof SessionKeys>> = {
  InitialR2T: 'initialR2T',
  ImmediateData: 'immediateData',
  FirstBurstLength: 'firstBurst',
  MaxBurstLength: 'maxBurst',
  MaxOutstandingR2T: 'maxOutstandingR2T',
  ErrorRecoveryLevel: 'errorRecoveryLevel',
}

export class AgreedKeys {
  readonly session: SessionKeys = {
    initialR2T: true,
    immediateData: true,
    firstBurst: 65_536,
    maxBurst: 262_144,
    maxOutstandingR2T: 1,
    errorRecoveryLevel: 0,
  }
  /** Longest data segment that each side takes, by connection; 8192 where it has not said. */
  readonly #longest = new Map<string, number>()
  readonly #loggedIn = new Set<number>()

  longest(side: Side, connection: number): number {
    return this.#loggedIn.has(connection) ? (this.#longest.get(`${side} ${connection}`) ?? 8192) : 8192
  }

  /** Takes what a PDU of login, or a text exchange, says: of an offer and its answer the answer comes last. */
  take({ from, connection, opcode, header, data }: TappedPdu): void {
    const isLogin = opcode === Opcode.loginRequest || opcode === Opcode.loginResponse
    if (!isLogin && opcode !== Opcode.textRequest && opcode !== Opcode.textResponse) return
    const text = parseText(data)
    for (const { key, value } of text.ok ? text.pairs : []) {
      if (key === 'MaxRecvDataSegmentLength') this.#longest.set(`${from} ${connection}`, Number(value))
      const name = NAMES[key]
      if (!isLogin || name === undefined || value === 'Irrelevant') continue
      const { session } = this
      if (name === 'initialR2T' || name === 'immediateData') session[name] = value === 'Yes'
      else session[name] = Number(value)
    }
    const transits = (header[1]! & 0x80) !== 0 && (header[1]! & 3) === LoginStage.fullFeature
    if (opcode === Opcode.loginResponse && transits && header[36] === 0) this.#loggedIn.add(connection)
  }
}
