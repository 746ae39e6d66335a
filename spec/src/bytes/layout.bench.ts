// SPDX-License-Identifier: Apache-2.0
// Compares accessors built from a layout with functions written by hand: `node spec/src/bytes/layout.bench.ts`.
import { READ_16, SYNCHRONIZE_CACHE_16, WRITE_16 } from '../scsi/commands/sbc.ts'
import { bit, bits, u8, u16, u24, u32 } from './field.ts'
import { layout } from './layout.ts'

const HEADER = layout('Header', 'a header with 48 bytes, as network protocols have', 48, {
  immediate: bit(0, 6),
  opcode: bits(0, 5, 0),
  final: bit(1, 7),
  attribute: bits(1, 2, 0),
  headerLength: u8(4),
  dataLength: u24(5),
  tag: u32(16),
  expected: u32(20),
  sequence: u32(24),
  window: u32(28),
  port: u16(32),
})

type Read = (bytes: Uint8Array, at: number) => number

const long = (b: Uint8Array, at: number): number =>
  ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0

// By hand: constant offsets, one function for each field, as a careful writer would leave them.
const immediate: Read = (b, at) => (b[at]! >> 6) & 1
const opcode: Read = (b, at) => b[at]! & 0x3f
const final: Read = (b, at) => (b[at + 1]! >> 7) & 1
const attribute: Read = (b, at) => b[at + 1]! & 7
const dataLength: Read = (b, at) => (b[at + 5]! << 16) | (b[at + 6]! << 8) | b[at + 7]!
const tag: Read = (b, at) => long(b, at + 16)
const sequence: Read = (b, at) => long(b, at + 24)
const port: Read = (b, at) => (b[at + 32]! << 8) | b[at + 33]!
const protect: Read = (b, at) => (b[at + 1]! >> 5) & 7
const fua: Read = (b, at) => (b[at + 1]! >> 3) & 1
const dpo: Read = (b, at) => (b[at + 1]! >> 4) & 1
const immed: Read = (b, at) => (b[at + 1]! >> 1) & 1
const lba: Read = (b, at) => long(b, at + 2) * 0x1_0000_0000 + long(b, at + 6)
const blocks: Read = (b, at) => long(b, at + 10)
const group: Read = (b, at) => b[at + 14]! & 0x3f
const naca: Read = (b, at) => (b[at + 15]! >> 2) & 1
const first: Read = (b, at) => b[at]!

function headerByHand(b: Uint8Array, at: number): number {
  const low = immediate(b, at) + opcode(b, at) + final(b, at) + attribute(b, at)
  return low + dataLength(b, at) + tag(b, at) + sequence(b, at) + port(b, at)
}
function readByHand(b: Uint8Array, at: number): number {
  const low = first(b, at) + protect(b, at) + dpo(b, at) + fua(b, at)
  return low + lba(b, at) + blocks(b, at) + group(b, at) + naca(b, at)
}
function writeByHand(b: Uint8Array, at: number): number {
  const low = first(b, at) + protect(b, at) + dpo(b, at) + fua(b, at)
  return low + lba(b, at) + blocks(b, at) + group(b, at) + naca(b, at)
}
function syncByHand(b: Uint8Array, at: number): number {
  const low = first(b, at) + immed(b, at) + lba(b, at) + blocks(b, at)
  return low + group(b, at) + naca(b, at) + group(b, at) + immed(b, at)
}

const h = HEADER.field
const r = READ_16.cdb.field
const w = WRITE_16.cdb.field
const s = SYNCHRONIZE_CACHE_16.cdb.field

function headerByTable(b: Uint8Array, at: number): number {
  const low = h.immediate.get(b, at) + h.opcode.get(b, at) + h.final.get(b, at) + h.attribute.get(b, at)
  return low + h.dataLength.get(b, at) + h.tag.get(b, at) + h.sequence.get(b, at) + h.port.get(b, at)
}
function readByTable(b: Uint8Array, at: number): number {
  const low = r.opcode.get(b, at) + r.protect.get(b, at) + r.dpo.get(b, at) + r.fua.get(b, at)
  return low + r.lba.get(b, at) + r.blocks.get(b, at) + r.group.get(b, at) + r.naca.get(b, at)
}
function writeByTable(b: Uint8Array, at: number): number {
  const low = w.opcode.get(b, at) + w.protect.get(b, at) + w.dpo.get(b, at) + w.fua.get(b, at)
  return low + w.lba.get(b, at) + w.blocks.get(b, at) + w.group.get(b, at) + w.naca.get(b, at)
}
function syncByTable(b: Uint8Array, at: number): number {
  const low = s.opcode.get(b, at) + s.immed.get(b, at) + s.lba.get(b, at) + s.blocks.get(b, at)
  return low + s.group.get(b, at) + s.naca.get(b, at) + s.group.get(b, at) + s.immed.get(b, at)
}

const STRIDE = 48
const COUNT = 256
const input = new Uint8Array(STRIDE * COUNT)
for (let i = 0; i < input.length; i++) input[i] = (i * 2654435761) >>> 24

function byHand(rounds: number): number {
  let sum = 0
  for (let round = 0; round < rounds; round++) {
    const at = (round % COUNT) * STRIDE
    sum += headerByHand(input, at) + readByHand(input, at) + writeByHand(input, at) + syncByHand(input, at)
    sum %= 0x1_0000_0000
  }
  return sum
}

function byTable(rounds: number): number {
  let sum = 0
  for (let round = 0; round < rounds; round++) {
    const at = (round % COUNT) * STRIDE
    sum +=
      headerByTable(input, at) + readByTable(input, at) + writeByTable(input, at) + syncByTable(input, at)
    sum %= 0x1_0000_0000
  }
  return sum
}

const ROUNDS = 200_000
const LAYOUTS = 4

function time(run: (rounds: number) => number): number {
  const start = performance.now()
  run(ROUNDS)
  return ((performance.now() - start) * 1e6) / (ROUNDS * LAYOUTS)
}

const median = (times: number[]): number => times.sort((a, b) => a - b)[times.length >> 1]!

if (byHand(COUNT) !== byTable(COUNT)) throw new Error('The two ways read different values')
for (let i = 0; i < 5; i++) {
  time(byHand)
  time(byTable)
}
const hand: number[] = []
const table: number[] = []
for (let i = 0; i < 41; i++) {
  if (i % 2 === 0) hand.push(time(byHand))
  table.push(time(byTable))
  if (i % 2 === 1) hand.push(time(byHand))
}
const [byHandMedian, byTableMedian] = [median(hand), median(table)]
console.log(
  `8 fields read, median of ${hand.length} runs of ${ROUNDS} rounds over ${LAYOUTS} layouts in turn`,
)
console.log(`  written by hand   ${byHandMedian.toFixed(2)} ns`)
console.log(`  built from a row  ${byTableMedian.toFixed(2)} ns`)
console.log(`  ratio             ${(byTableMedian / byHandMedian).toFixed(3)}`)
