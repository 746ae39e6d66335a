// SPDX-License-Identifier: Apache-2.0
// Habits of the house that no linter knows: first lines, file sizes, names, types, no promise on the road of a command.
import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { test } from 'node:test'
import { files, read } from './sources.ts'

/** Data tables read like a table in a book and may be long. */
const TABLES = [/^spec\/src\/(scsi|iscsi)\//, /\.test\.ts$/]
const LONGEST = 400

const sources = files('.ts', '.mjs')

test('every source begins with its licence and one sentence on what it is for', () => {
  assert.ok(sources.length > 100, `only ${sources.length} files were seen`)
  const wrong = sources.filter(file => {
    const lines = read(file).split('\n')
    const first = lines[0]!.startsWith('#!') ? 1 : 0
    return (
      lines[first] !== '// SPDX-License-Identifier: Apache-2.0' ||
      !/^\/\/ \S.{15,}/.test(lines[first + 1] ?? '')
    )
  })
  assert.deepEqual(wrong, [])
})

test('no hand-written file is longer than 400 lines', () => {
  const long = sources
    .filter(file => !TABLES.some(pattern => pattern.test(file)))
    .map(file => ({ file, lines: read(file).split('\n').length - 1 }))
    .filter(({ lines }) => lines > LONGEST)
  assert.deepEqual(long, [])
})

test('no file is named after nothing', () => {
  const empty = sources.filter(file =>
    /(^|[-.])(util|utils|helper|helpers|common|misc|manager)([-.]|$)/.test(basename(file)),
  )
  assert.deepEqual(empty, [])
})

test('types are never switched off', () => {
  const off = sources.filter(file =>
    /@ts-(ignore|nocheck|expect-error)|\bas any\b/.test(read(file).replaceAll(/\/@ts-.*/g, '')),
  )
  assert.deepEqual(off, [])
})

test('the road of a command has no promise', () => {
  // Opening, closing and configuring may wait; what a command passes may not.
  const road = sources.filter(file =>
    /^target\/(engine\/src\/(receive|decode|admit|order|transfer|execute|finish|road)|drivers\/iscsi\/src\/(inbound|outbound|framer|data))/.test(
      file,
    ),
  )
  const waiting = road.filter(
    file =>
      !file.endsWith('.test.ts') &&
      /\b(await|async|Promise)\b/.test(read(file).replaceAll(/\/\/.*|\/\*[\s\S]*?\*\//g, '')),
  )
  assert.deepEqual(waiting, [])
  assert.ok(road.length > 5, `only ${road.length} files of the road were seen`)
})
