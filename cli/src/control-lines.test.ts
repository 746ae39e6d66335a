// SPDX-License-Identifier: Apache-2.0
// Lines of standard input: obeyed in their order, without their comments.
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { ControlAnswer } from '@lunkit/target-api'
import { takeCommands } from './control-lines.ts'
import type { RunningTarget } from './target-face/running-target.ts'

interface Seen {
  /** What LUN 0 was told, and `end` of it. */
  readonly told: string[]
  readonly answers: [line: string, answer: ControlAnswer | Error][]
}

/** Gives a target with one LUN these lines at once; `slow` takes its time there. */
async function say(...lines: string[]): Promise<Seen> {
  const told: string[] = []
  const control = async (...words: string[]): Promise<ControlAnswer> => {
    told.push(words.join(' '))
    if (words[0] === 'slow') await wait(20)
    told.push(`end ${words[0]}`)
    return {}
  }
  const target = { luns: [{ lun: 0, group: null, control }] } as unknown as RunningTarget
  const answers: Seen['answers'] = []
  const input = new PassThrough()
  await new Promise<void>(resolve => {
    const stop = takeCommands(
      target,
      (line, answer) => {
        if (line === 'help last') {
          stop()
          resolve()
        } else answers.push([line, answer])
      },
      input,
    )
    input.write(`${[...lines, 'help last'].join('\n')}\n`)
  })
  return { told, answers }
}

test('a line is obeyed when the one before it has been answered', async () => {
  const { told, answers } = await say('lun 0 slow', 'lun 0 quick', 'lun 7 quick', 'lun 0 last')
  assert.deepEqual(told, ['slow', 'end slow', 'quick', 'end quick', 'last', 'end last'])
  assert.deepEqual(
    answers.map(([line]) => line),
    ['lun 0 slow', 'lun 0 quick', 'lun 7 quick', 'lun 0 last'],
  )
  assert.ok(answers[2]![1] instanceof Error)
})

test('comments are not obeyed', async () => {
  const { told, answers } = await say(
    '# lun 0 all',
    '  #lun 0 all',
    'lun 0 some    # of it, and # no more',
    'lun 0 disc#2.iso #3.iso #',
  )
  assert.deepEqual(told, ['some', 'end some', 'disc#2.iso #3.iso', 'end disc#2.iso'])
  assert.equal(answers.length, 2)
})

test('help is for all commands or one', async () => {
  const { answers } = await say('help', 'help lun', 'help nobody')
  const [all, one, none] = answers.map(([, answer]) => answer)
  assert.ok(Object.keys(all!).includes('lun') && Object.keys(all!).length > 5)
  assert.deepEqual(Object.keys(one!), ['lun'])
  assert.ok(none instanceof Error)
})
