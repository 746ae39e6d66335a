// SPDX-License-Identifier: Apache-2.0
// The WebAssembly module that folds: a message becomes a shorter one with the same CRC32C, by exclusive ors alone.

/**
 * The sum of x^n for these n is a multiple of the polynomial of CRC32C in GF(2)[x], and stays one with x^2, x^4 … in the
 * place of x. So the first word of a message may be left out if it is added to the words so many places behind it as
 * the last exponent is above each of the others, whether words have 16, 8 or 4 bytes. Found by search: the lowest
 * multiple of 8 terms; those of 6 begin at 209, too long for messages of 4 KiB, and there are none of odd number.
 */
const EXPONENTS = [0, 1, 12, 18, 58, 71, 75, 79] as const
export const DEGREE = 79
/** Places from a word back to those that were added to it, the nearest first. */
const BACK: readonly number[] = EXPONENTS.slice(0, -1)
  .map(exponent => DEGREE - exponent)
  .reverse()

type Code = readonly number[]

/** Numbers as WebAssembly writes them (LEB128). */
function unsigned(value: number): Code {
  const bytes: number[] = []
  let left = value
  for (; left > 127; left >>>= 7) bytes.push((left & 127) | 128)
  return [...bytes, left]
}

function signed(value: number): Code {
  const bytes: number[] = []
  let left = value
  for (; left < -64 || left > 63; left >>= 7) bytes.push((left & 127) | 128)
  return [...bytes, left & 127]
}

const get = (local: number): Code => [0x20, local]
const set = (local: number): Code => [0x21, local]
const plus = (value: number): Code => [0x41, ...signed(value), 0x6a]
const IS_LESS: Code = [0x48]

/** How words of one length are loaded, stored and added. */
interface Word {
  readonly bytes: number
  readonly load: Code
  readonly store: Code
  readonly xor: Code
  readonly align: number
}
const V128: Word = { bytes: 16, load: [0xfd, 0], store: [0xfd, 11], xor: [0xfd, 0x51], align: 4 }
const I64: Word = { bytes: 8, load: [0x29], store: [0x37], xor: [0x85], align: 3 }
const I32: Word = { bytes: 4, load: [0x28], store: [0x36], xor: [0x73], align: 2 }

// Parameters and locals. `AT` is the address of the word in turn, less DEGREE words: offsets are never negative.
const AT = 0
const END = 1
const STOP = 2
const STEADY = 3

/** Words from AT to STOP, at least one: to each are added those that lie `back` before it. */
function words(word: Word, back: readonly number[]): Code {
  const { bytes, load, store, xor, align } = word
  const offset = (places: number): Code => [align, ...unsigned((DEGREE - places) * bytes)]
  const added = back.flatMap(places => [...get(AT), ...load, ...offset(places), ...xor])
  const one = [...get(AT), ...get(AT), ...load, ...offset(0), ...added, ...store, ...offset(0)]
  const next = [...get(AT), ...plus(bytes), 0x22, AT]
  return [0x03, 0x40, ...one, ...next, ...get(STOP), ...IS_LESS, 0x0d, 0, 0x0b]
}

/** The DEGREE words where `BACK` reaches the message's begin, or its end: others of them count from place to place. */
function edge(word: Word, counts: (back: number, place: number) => boolean): Code {
  const places = [0, ...BACK]
  return BACK.flatMap((to, index) => {
    const from = places[index]!
    const stop = [...get(AT), ...plus((to - from) * word.bytes), ...set(STOP)]
    return [
      ...stop,
      ...words(
        word,
        BACK.filter(back => counts(back, from)),
      ),
    ]
  })
}

/** Leaves the last DEGREE words. `between` are those that have all of `BACK` before them. */
function folded(word: Word, between: Code): Code {
  return [
    ...edge(word, (back, place) => back <= place),
    ...between,
    ...edge(word, (back, place) => back > place),
  ]
}

/** `length` bytes before END, as AT. */
const last = (word: Word): Code => [...get(END), ...plus(-3 * DEGREE * word.bytes), ...set(AT)]

function foldingCode(): Code {
  const steady = [...get(AT), ...get(STEADY), ...IS_LESS, 0x04, 0x40]
  return [
    ...[...get(AT), ...plus(-DEGREE * V128.bytes), ...set(AT)],
    ...[...get(END), ...plus(-2 * DEGREE * V128.bytes), ...set(STEADY)],
    ...folded(V128, [...steady, ...get(STEADY), ...set(STOP), ...words(V128, BACK), 0x0b]),
    // DEGREE words of 16 bytes are twice as many of 8.
    ...[...last(I64), ...folded(I64, [])],
    ...[...last(I32), ...folded(I32, [])],
  ]
}

const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()]
const section = (id: number, items: readonly Code[]): Code => {
  const body = list(items)
  return [id, ...unsigned(body.length), ...body]
}
const name = (text: string): Code => [text.length, ...Array.from(text, letter => letter.charCodeAt(0))]

/** Exports `memory`, one page of 64 KiB, and `fold(start, end)`. */
export function foldingModule(): Uint8Array {
  const code = [1, 2, 0x7f, ...foldingCode(), 0x0b]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [[0x60, 2, 0x7f, 0x7f, 0]]),
    ...section(3, [[0]]),
    ...section(5, [[0, 1]]),
    ...section(7, [
      [...name('memory'), 2, 0],
      [...name('fold'), 0, 0],
    ]),
    ...section(10, [[...unsigned(code.length), ...code]]),
  ])
}
