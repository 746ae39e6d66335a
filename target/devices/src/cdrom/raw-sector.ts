// SPDX-License-Identifier: Apache-2.0
// A whole Mode 1 sector of a CD around its user data: sync, header, EDC and ECC, as ECMA-130 has them.
import { SECTOR } from './disc.ts'
import { msfOf } from './msf.ts'

export const RAW_SECTOR = 2352

/** Where each part begins; user data ends where EDC and ECC begin. */
const HEADER = 12
const USER = 16
const EDC = USER + SECTOR
const ECC = EDC + 12

const MODE_1 = 1
const SYNC = Uint8Array.of(0, ...Array<number>(10).fill(0xff), 0)

/** Which bytes of the sector a READ CD asks for. */
export interface Parts {
  readonly from: number
  readonly to: number
}

export interface Selection {
  readonly sync: boolean
  readonly header: boolean
  readonly userData: boolean
  readonly edcEcc: boolean
}

/** Null if what is asked for is not in one piece (MMC-6 READ CD command, main channel selection). */
export function partsOf({ sync, header, userData, edcEcc }: Selection): Parts | null {
  const torn = (sync && !header && userData) || (edcEcc && !userData)
  if (torn) return null
  const from = sync ? 0 : header ? HEADER : USER
  const to = edcEcc ? RAW_SECTOR : userData ? EDC : header ? USER : sync ? HEADER : from
  return { from, to }
}

/** Makes `sector`, in which the user data is at its place already, whole. */
export function completeSector(sector: Buffer, lba: number): void {
  sector.set(SYNC)
  const msf = msfOf(lba)
  for (const [at, part] of [msf >> 16, (msf >> 8) & 0xff, msf & 0xff].entries()) {
    sector[HEADER + at] = Math.floor(part / 10) * 16 + (part % 10)
  }
  sector[HEADER + 3] = MODE_1
  sector.writeUInt32LE(edcOf(sector.subarray(0, EDC)), EDC)
  sector.fill(0, EDC + 4, ECC)
  // P goes down 86 columns of 24 bytes, Q along 52 diagonals of 43, over P too.
  parity(sector, ECC, 86, 24, (column, row) => column + 86 * row)
  parity(sector, ECC + 172, 52, 43, (diagonal, step) => {
    const word = (44 * step + 43 * (diagonal >> 1)) % 1118
    return 2 * word + (diagonal & 1)
  })
}

/** EDC: a CRC of (x^16 + x^15 + x^2 + 1)(x^16 + x^2 + x + 1), bits reversed. */
const EDC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let edc = byte
  for (let bit = 0; bit < 8; bit++) edc = (edc >>> 1) ^ (edc & 1 ? 0xd801_8001 : 0)
  return edc
})

function edcOf(bytes: Uint8Array): number {
  let edc = 0
  for (const byte of bytes) edc = (edc >>> 8) ^ EDC_TABLE[(edc ^ byte) & 0xff]!
  return edc >>> 0
}

/** Times alpha in GF(2^8) over x^8 + x^4 + x^3 + x^2 + 1, and what gives a number when it is multiplied by 1 + alpha. */
const TIMES = Uint8Array.from({ length: 256 }, (_, byte) => (byte << 1) ^ (byte & 0x80 ? 0x11d : 0))
const OVER = new Uint8Array(256)
for (const [byte, times] of TIMES.entries()) OVER[byte ^ times] = byte

/** Two bytes of parity for each of `words` code words; `place` is where its data is, from the header on. */
function parity(
  sector: Buffer,
  to: number,
  words: number,
  length: number,
  place: (word: number, index: number) => number,
): void {
  for (let word = 0; word < words; word++) {
    let sum = 0
    let weighted = 0
    for (let index = 0; index < length; index++) {
      const byte = sector[HEADER + place(word, index)]!
      sum ^= byte
      weighted = TIMES[weighted ^ byte]!
    }
    const first = OVER[TIMES[weighted]! ^ sum]!
    sector[to + word] = first
    sector[to + words + word] = first ^ sum
  }
}
