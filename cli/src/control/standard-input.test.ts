// SPDX-License-Identifier: Apache-2.0
// Lines of standard input: obeyed in their order, without their comments.
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Reply } from './reply.ts'
import { takeCommands } from './standard-input.ts'

interface Seen {
  /** What was obeyed, and `end` of it. */
  readonly told: string[]
  readonly answers: [line: string, reply: Reply][]
}

/** Gives these lines at once, and the end of them; `slow` takes its time. */
async function say(text: string): Promise<Seen> {
  const seen: Seen = { told: [], answers: [] }
  const input = new PassThrough()
  await new Promise<void>(resolve => {
    const stop = takeCommands(
      async line => {
        seen.told.push(line)
        if (line === 'slow') await wait(20)
        seen.told.push(`end ${line}`)
        return { answer: {} }
      },
      (line, reply) => {
        seen.answers.push([line, reply])
        if (line !== 'last') return
        stop()
        resolve()
      },
      input,
    )
    input.end(text)
  })
  return seen
}

test('a line is obeyed when the one before it has been answered, and the last one without its end', async () => {
  const { told, answers } = await say('slow\nquick\r\n\n  \nlast')
  assert.deepEqual(told, ['slow', 'end slow', 'quick', 'end quick', 'last', 'end last'])
  assert.deepEqual(
    answers.map(([line]) => line.trim()),
    ['slow', 'quick', 'last'],
  )
})

test('comments are not obeyed', async () => {
  const { told } = await say('# all\n  #all\nsome    # of it, and # no more\ndisc#2.iso #3.iso #\nlast')
  assert.deepEqual(told, [
    'some',
    'end some',
    'disc#2.iso #3.iso',
    'end disc#2.iso #3.iso',
    'last',
    'end last',
  ])
})

test('a line that is too long is told, and those behind it are obeyed', async () => {
  const { told, answers } = await say(`${'x'.repeat(100_000)}\nlast`)
  assert.deepEqual(told, ['last', 'end last'])
  assert.match(JSON.stringify(answers[0]), /CONTROL_LINE/)
})

test('after the stop nothing is obeyed or told', async () => {
  const input = new PassThrough()
  const seen: string[] = []
  const stop = takeCommands(
    async line => {
      seen.push(line)
      return { answer: {} }
    },
    line => void seen.push(`answered ${line}`),
    input,
  )
  stop()
  input.write('late\n')
  await wait(20)
  assert.deepEqual(seen, [])
})
