// SPDX-License-Identifier: Apache-2.0
// Lines out of chunks, however these are cut; and what bounds them.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { commandIn, type Line, linesOf } from './lines.ts'

async function linesIn(...chunks: (string | Buffer)[]): Promise<Line[]> {
  const lines: Line[] = []
  for await (const line of linesOf(Readable.from(chunks.map(chunk => Buffer.from(chunk))))) lines.push(line)
  return lines
}

const whole = (text: string): Line => ({ text, fault: null })
const TOO_LONG: Line = { text: '', fault: 'tooLong' }
const MOST = 16_384

test('lines are the same however they are cut', async () => {
  const text = Buffer.from('one\n\nzwölf drücken\n')
  const wanted = ['one', '', 'zwölf drücken'].map(whole)
  assert.deepEqual(await linesIn(text), wanted)
  for (let at = 1; at < text.length; at++)
    assert.deepEqual(await linesIn(text.subarray(0, at), text.subarray(at)), wanted, `cut at ${at}`)
  assert.deepEqual(await linesIn(...Array.from(text, byte => Buffer.of(byte))), wanted)
})

test('what stands behind the last line feed has no end', async () => {
  assert.deepEqual(await linesIn('a\nresize 1'), [whole('a'), { text: 'resize 1', fault: 'unended' }])
  assert.deepEqual(await linesIn(), [])
})

test('a line of the most bytes is one, a longer one is told once and skipped', async () => {
  const most = 'x'.repeat(MOST)
  assert.deepEqual(await linesIn(`${most}\nb\n`), [whole(most), whole('b')])
  assert.deepEqual(await linesIn(`${most}x\nb\n`), [TOO_LONG, whole('b')])
  assert.deepEqual(await linesIn(most, 'x', most, 'y\nb\n'), [TOO_LONG, whole('b')])
  assert.deepEqual(await linesIn(most, most), [TOO_LONG])
})

test('comments and blanks are cut off', () => {
  for (const [line, command] of [
    ['  lun 0  ', 'lun 0'],
    ['lun 0\r', 'lun 0'],
    ['#', ''],
    [' # lun 0', ''],
    ['lun 0 # all \r of it', 'lun 0'],
    ['insert a#1.iso #2.iso', 'insert a#1.iso #2.iso'],
  ] as const)
    assert.equal(commandIn(line), command, line)
})

test('no line takes long to look at', () => {
  // With a carriage return that a dot does not match, each # would be tried up to it.
  const line = `${' # '.repeat(5000)}\r${' #x'.repeat(400)}`
  assert.equal(commandIn(line), '')
  assert.equal(commandIn(`a${' #x'.repeat(5000)}`).length, 15_001)
})
