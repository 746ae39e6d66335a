// SPDX-License-Identifier: Apache-2.0
// What a process really loads: no target code for an initiator's work, and of the plug-ins only those named.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { ROOT } from './sources.ts'

const folder = mkdtempSync(join(tmpdir(), 'lunkit-loads-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let count = 0

/** Runs Node on `words` until it ends or, with `until`, until its output has that; gives the tree's files it loaded, and Node's own. */
async function loaded(
  words: string[],
  until?: RegExp,
): Promise<{ files: string[]; builtins: string[]; output: string }> {
  const trace = join(folder, `trace-${count++}`)
  const child = spawn(
    process.execPath,
    ['--import', pathToFileURL(join(ROOT, 'architecture/load-trace.ts')).href, ...words],
    {
      cwd: folder,
      env: { ...process.env, LUNKIT_LOAD_TRACE: trace },
    },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', data => {
      output += data
      if (until?.test(output)) child.kill('SIGTERM')
    })
  }
  await new Promise(resolve => child.on('close', resolve))
  const prefix = pathToFileURL(`${ROOT}/`).href
  const urls = readFileSync(trace, 'utf8').split('\n')
  const builtins = urls.filter(url => url.startsWith('node:'))
  const files = urls
    .filter(url => url.startsWith(prefix) && !url.includes('/node_modules/'))
    .map(url => url.slice(prefix.length))
  return { files, builtins, output }
}

const main = join(ROOT, 'cli/src/main.ts')
// Nobody listens there: what a command loads before it fails is all that it would load.
const nowhere = 'iscsi://127.0.0.1:1/iqn.2000-01.a:b/0'

for (const words of [
  ['ls', 'iscsi://127.0.0.1:1'],
  ['info', nowhere],
  ['read', nowhere],
  ['ping', nowhere],
  ['copy', nowhere, 'x'],
  ['write', nowhere, main],
]) {
  test(`lunkit ${words[0]} loads no file of the target`, async () => {
    const { files, output } = await loaded([main, ...words])
    assert.deepEqual(
      files.filter(file => file.startsWith('target/')),
      [],
    )
    assert.ok(
      files.some(file => file.startsWith('initiator/drivers/iscsi/')),
      `the initiator was not loaded: ${output}`,
    )
  })
}

test('lunkit/initiator loads no file of the target, lunkit/target none of the initiator', async () => {
  const initiator = await loaded([join(ROOT, 'cli/src/initiator.ts')])
  assert.deepEqual(
    initiator.files.filter(file => file.startsWith('target/')),
    [],
  )
  assert.ok(initiator.files.length > 10)
  const target = await loaded([join(ROOT, 'cli/src/target.ts')])
  assert.deepEqual(
    target.files.filter(file => file.startsWith('initiator/')),
    [],
  )
  assert.ok(target.files.length > 10)
})

test('lunkit serve loads only the plug-ins that its LUNs name', async () => {
  const { files, builtins, output } = await loaded(
    [main, 'serve', 'memory:1M', '--portal', '127.0.0.1:0'],
    /Ready/,
  )
  assert.match(output, /Ready/)
  const stores = new Set(files.flatMap(file => /^target\/stores\/src\/([^/]+)\//.exec(file)?.[1] ?? []))
  assert.deepEqual([...stores], ['memory'])
  const drivers = new Set(files.flatMap(file => /^target\/drivers\/([^/]+)\//.exec(file)?.[1] ?? []))
  assert.deepEqual([...drivers], ['iscsi'])
  assert.deepEqual(
    files.filter(file => file.startsWith('initiator/')),
    [],
  )
  // Node's TLS takes 5 MiB of memory.
  assert.ok(builtins.includes('node:net') && !builtins.includes('node:tls'))
})
