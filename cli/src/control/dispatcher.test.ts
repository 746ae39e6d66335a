// SPDX-License-Identifier: Apache-2.0
// Whose a control line is, what LUNs list, and words that say nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ControlAnswer, Device } from '@lunkit/target-api'
import type { Lun } from '../target-face/lun.ts'
import type { RunningTarget } from '../target-face/running-target.ts'
import { TargetControl } from './commands.ts'
import { type Addressee, dispatcher } from './dispatcher.ts'
import { answerWords } from './reply.ts'

/** Answers with what it was told. */
const echo = (name: string, serves = true): Addressee => ({
  name,
  serves,
  obey: async line => ({ answer: { [name]: line } }),
})

const one = dispatcher([echo('a')])
const two = dispatcher([echo('a'), echo('b', false)])

const answerOf = async (obey: typeof one, line: string): Promise<ControlAnswer> => {
  const reply = await obey(line)
  assert.ok('answer' in reply, JSON.stringify(reply))
  return reply.answer
}
const codeOf = async (obey: typeof one, line: string): Promise<string> => {
  const reply = await obey(line)
  assert.ok('error' in reply, line)
  return reply.error.code
}

test('a line is for the target it names, or for the only one', async () => {
  assert.deepEqual(await answerOf(one, 'lun 0  reset'), { a: 'lun 0  reset' })
  assert.deepEqual(await answerOf(one, 'target a lun 0'), { a: 'lun 0' })
  assert.deepEqual(await answerOf(two, 'target  b   lun 0  reset'), { b: 'lun 0  reset' })
  assert.deepEqual(await answerOf(two, 'target'), { a: 'served', b: 'not served' })
  assert.equal(await codeOf(two, 'lun 0 reset'), 'CONTROL')
  assert.equal(await codeOf(two, 'target c lun 0'), 'TARGET_MISSING')
  assert.equal(await codeOf(one, 'target b lun 0'), 'TARGET_MISSING')
  assert.equal(await codeOf(two, 'target a'), 'CONTROL')
})

test('help is for all commands or one, with a target or without', async () => {
  for (const line of ['help', 'target a help']) {
    const all = await answerOf(two, line)
    for (const name of ['target', 'drain', 'lun', 'help']) assert.ok(name in all, name)
  }
  assert.deepEqual(Object.keys(await answerOf(two, 'help lun')), ['lun'])
  for (const line of ['help nobody', 'help lun lun', 'help toString'])
    assert.equal(await codeOf(two, line), 'CONTROL')
})

function control(device: Partial<Device>): ReturnType<typeof dispatcher> {
  const told = (...words: unknown[]) => Promise.resolve({ told: words.join(' ') })
  const lun: Partial<Record<keyof Lun, unknown>> = {
    lun: 0,
    group: null,
    bytes: 7,
    behind: { unit: { device } },
    controls: { reset: '' },
    control: told,
    rescan: async () => true,
    resize: async () => undefined,
    insert: async () => undefined,
    eject: async () => undefined,
  }
  const done = async (): Promise<object> => ({})
  const initiators = { evict: done, drop: done, redirect: done, rehearse: done }
  const target = { luns: [lun], initiators, readmit: done, drain: done } as unknown as RunningTarget
  return dispatcher([{ name: 'a', serves: true, obey: new TargetControl(target).obey }])
}

test('a LUN lists what its kind can do, and what its storage adds', async () => {
  const store = { resize: async () => {}, rescan: async () => {} } as unknown as NonNullable<Device['store']>
  const disk = control({ store, resized: () => true })
  const drive = control({ drive: {} as NonNullable<Device['drive']> })
  const usages = { resize: 'SIZE [shrink]', rescan: '', reset: '' }
  for (const line of ['lun 0', 'lun 0 help']) assert.deepEqual(await answerOf(disk, line), usages)
  assert.deepEqual(await answerOf(drive, 'lun 0'), { insert: 'IMAGE [force]', eject: '[force]', reset: '' })
  assert.deepEqual(await answerOf(disk, 'lun 0 reset now'), { told: 'reset now' })
  assert.deepEqual(await answerOf(drive, 'lun 0 insert my disc.iso force'), { bytes: 7 })
  assert.deepEqual(await answerOf(disk, 'lun 0 rescan'), { changed: 'yes' })
})

test('a word too many is refused, not ignored', async () => {
  const disk = control({})
  for (const line of [
    'lun 0 help me',
    'lun 0 rescan now',
    'lun 0 resize',
    'lun 0 resize 1G shrink now',
    'lun 0 eject now',
    'lun 0 eject force now',
    'lun 0 insert',
    'readmit now',
    'readmit a=1',
    'drain 1 2',
    'evict all tag=1',
    'evict tag=1 tag=2',
    'drop all all',
    'redirect none 10.0.0.9',
    'redirect 10.0.0.9 none',
    'redirect permanent',
    'rehearse silence all ms=9',
    'rehearse deaf much portal=127.0.0.1:1',
    'end 1 2',
    'constructor',
  ])
    assert.equal(await codeOf(disk, line), 'CONTROL', line)
  assert.equal(await codeOf(disk, 'lun 1'), 'LUN_MISSING')
})

test('answers in words', () => {
  assert.equal(answerWords({}), 'done')
  assert.equal(answerWords({ snapshots: 1, bytes: 0 }), 'done snapshots=1 bytes=0')
  assert.equal(answerWords({ '\x1b[2J': 1, a: '\x9b' }), 'done ?[2J=1\n  a ?')
  assert.equal(answerWords({ 'busy:every=3': 2, 'a b': 1 }), 'done\n  busy:every=3  2\n  a b  1')
  assert.equal(answerWords({ reset: '', resize: 'SIZE' }), 'done\n  reset\n  resize SIZE')
})
