// SPDX-License-Identifier: Apache-2.0
// Reads what a target sends, PDU by PDU, strictly: reserved bits, padding and digests must be right.
import {
  BHS,
  BHS_LENGTH,
  crc32c,
  DIGEST_LENGTH,
  describePdu,
  LOGIN_RESPONSE,
  LoginStage,
  Opcode,
  PDU_BY_OPCODE,
  parseText,
  readDigest,
} from '@lunkit/spec'

export interface Answer {
  readonly opcode: number
  readonly header: Buffer
  readonly data: Buffer
}

/** Whether a target may send it. */
const fromTarget = (opcode: number): boolean => opcode >= 0x20 && PDU_BY_OPCODE[opcode] !== undefined

export class Wire {
  headerDigest = false
  dataDigest = false
  #left: Buffer = Buffer.alloc(0)
  /** Digests that a login has settled so far. */
  readonly #settled: Set<string> = new Set()

  /** The PDUs that are complete now. Throws an Error that says what the target did wrong. */
  push(chunk: Buffer): Answer[] {
    this.#left = this.#left.length === 0 ? chunk : Buffer.concat([this.#left, chunk])
    const answers: Answer[] = []
    for (let answer = this.#next(); answer !== null; answer = this.#next()) answers.push(answer)
    return answers
  }

  #next(): Answer | null {
    const bytes = this.#left
    if (bytes.length < BHS_LENGTH) return null
    const length = BHS.field.dataSegmentLength.get(bytes, 0)
    const dataAt = BHS_LENGTH + (this.headerDigest ? DIGEST_LENGTH : 0)
    const padded = (length + 3) & ~3
    const end = dataAt + padded + (this.dataDigest && length > 0 ? DIGEST_LENGTH : 0)
    const opcode = BHS.field.opcode.get(bytes, 0)
    const complain = (what: string): never => {
      throw new Error(`Target sent ${what}: ${describePdu(bytes)}`)
    }
    if (!fromTarget(opcode)) complain('what no target sends')
    if (PDU_BY_OPCODE[opcode]!.reserved(bytes) !== null) complain('reserved bits')
    if (BHS.field.totalAhsLength.get(bytes, 0) !== 0) complain('an additional header')
    if (this.headerDigest && bytes.length >= dataAt && !matches(bytes, 0, BHS_LENGTH))
      complain('a wrong header digest')
    if (bytes.length < end) return null
    for (let i = length; i < padded; i++) if (bytes[dataAt + i] !== 0) complain('padding that is not zero')
    if (this.dataDigest && length > 0 && !matches(bytes, dataAt, dataAt + padded))
      complain('a wrong data digest')
    this.#left = bytes.subarray(end)
    const answer = {
      opcode,
      header: bytes.subarray(0, BHS_LENGTH),
      data: bytes.subarray(dataAt, dataAt + length),
    }
    if (opcode === Opcode.loginResponse) this.#learn(answer)
    return answer
  }

  /** Digests begin behind the response that ends a login well; what comes next may be here already. */
  #learn({ header, data }: Answer): void {
    const text = parseText(data)
    if (text.ok) for (const { key, value } of text.pairs) if (value === 'CRC32C') this.#settled.add(key)
    const { statusClass, transit, nsg } = LOGIN_RESPONSE.read(header)
    if (statusClass !== 0 || transit !== 1 || nsg !== LoginStage.fullFeature) return
    this.headerDigest = this.#settled.has('HeaderDigest')
    this.dataDigest = this.#settled.has('DataDigest')
  }
}

const matches = (bytes: Buffer, from: number, to: number): boolean =>
  crc32c(bytes, from, to) === readDigest(bytes, to)
