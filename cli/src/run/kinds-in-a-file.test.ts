// SPDX-License-Identifier: Apache-2.0
// Every kind of LUN in the file of `lunkit run`: with all its keys it reads as the same LUN argument does, and it is served.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Parameter, readParameters } from '@lunkit/target-api'
import { ExitCode, exitCodeOf } from '../exit-codes.ts'
import { tableOf } from '../kind-help.ts'
import { createTarget } from '../target-face/create-target.ts'
import { parseLun } from '../target-face/lun-spec.ts'
import { KINDS, roleOf } from '../target-face/plug-ins.ts'
import { parseConfig } from './config-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'lunkit-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const { missing, unreachable } = ExitCode
// 64 different bytes, as hex digits.
writeFileSync(join(folder, 'key'), Buffer.from(Array.from({ length: 64 }, (_, at) => at * 3)).toString('hex'))
const URL = 'iscsi://127.0.0.1:1/iqn.2000-01.org.example:none/0'

/** One LUN of each kind as it stands in a file, and what becomes of it here: served, or what it leads to is not there. */
const EXAMPLES: Readonly<Record<string, readonly [yaml: string, exit: number]>> = {
  disk: ['{ disk: memory:1M, readonly: yes }', 0],
  cdrom: ['{ cdrom: }', 0],
  dummy: ['{ dummy: }', 0],
  passthrough: [`{ passthrough: '${URL}', wait: 0 }`, unreachable],
  user: ['{ user: @/none.sock, wait: 0 }', unreachable],
  file: ['{ file: @/a.img, size: 1M }', 0],
  qcow2: ['{ qcow2: @/a.qcow2, size: 1M, cluster: 4K }', 0],
  block: ['{ block: @/none }', missing],
  memory: ['{ memory: 1M, serial: 007 }', 0],
  null: ['{ null: 1T, read_zero: no }', 0],
  object: [`{ object: ${join(import.meta.dirname, '../../../docs/examples/numbered.mjs')} }`, 0],
  handler: ['{ handler: @/none.sock, wait: 0, unit: b }', unreachable],
  nbd: ["{ nbd: 'nbd://127.0.0.1:1/export', wait: 0 }", unreachable],
  iscsi: [`{ iscsi: '${URL}', wait: 0 }`, unreachable],
  readonly: ['{ readonly: memory:1M }', 0],
  error: ['{ error: memory:1M, errors: medium:read:lba=100-199+busy:every=9 }', 0],
  overlay: ['{ overlay: @/a.img, file.readonly: yes, upper: @/a.overlay }', 0],
  delay: ['{ delay: memory:1M, delay.delay: 1 }', 0],
  throttle: ['{ throttle: memory:1M, iops: 5000, rate: 20M }', 0],
  trace: ['{ trace: memory:1M, tracefile: @/trace }', 0],
  cache: ['{ cache: memory:1M, cachesize: 1M }', 0],
  checksum: ['{ checksum: memory:1M, checksums: @/sums }', 0],
  encrypt: ['{ encrypt: memory:1M, keyfile: @/key }', 0],
}

const lunOf = async (yaml: string) => {
  const { targets } = await parseConfig(`targets: [{ luns: [${yaml}] }]`, 'x.yaml')
  return targets[0]!.luns[0]!
}

test('there is an example of every kind', () => {
  assert.deepEqual(Object.keys(EXAMPLES).sort(), KINDS.toSorted())
})

for (const [kind, [yaml, exit]] of Object.entries(EXAMPLES)) {
  test(`${kind}: as it stands in a file, it is ${exit === 0 ? 'served' : `opened as far as it can be (${exit})`}`, async () => {
    const lun = await lunOf(yaml.replaceAll('@', folder))
    const opening = createTarget({ luns: [lun] })
    if (exit === 0) await (await opening).close()
    else await assert.rejects(opening, (error: unknown) => exitCodeOf(error) === exit)
  })
}

/** A value that the key takes, as somebody would write it. */
function sampleOf({ type, choices, least }: Parameter): string {
  if (choices !== undefined) return String(choices[0])
  return {
    boolean: 'yes',
    integer: String(least ?? 1),
    size: '64K',
    path: './a b.file',
    string: 'some text',
  }[type]
}

for (const kind of KINDS) {
  test(`${kind}: all its keys can be written in a file`, async () => {
    const table = await tableOf(kind, roleOf(kind)!)
    const named = Object.entries(table).filter(([, { argument }]) => !argument)
    // A key that is named like its kind would be a second one of that name.
    const keys = Object.fromEntries(
      named.map(([key, parameter]) => [key === kind ? `${kind}.${key}` : key, sampleOf(parameter)]),
    )
    const argument = Object.keys(table).length > named.length || kind === 'dummy' ? 'x' : 'memory:1M'
    const place = kind === 'dummy' ? '' : argument
    const read = await lunOf(JSON.stringify({ [kind]: place, ...keys }))
    assert.ok(typeof read === 'object')
    const text = [`${kind}:${place}`, ...Object.entries(keys).map(([key, value]) => `${key}=${value}`)].join(
      ',',
    )
    assert.deepEqual({ ...read, label: '' }, { ...parseLun(text), label: '' })
    // A list of values in YAML is a key that is given several times.
    for (const [key, parameter] of named.filter(([, { list }]) => list)) {
      const several = await lunOf(JSON.stringify({ [kind]: place, [key]: ['a', 'b'] }))
      assert.ok(typeof several === 'object')
      assert.equal(parseLun(`${kind}:${place},${key}=a,${key}=b`).keys[key], several.keys[key])
      assert.ok(readParameters(kind, { [key]: parameter }, { [key]: several.keys[key]! }))
    }
  })
}

test('a key that is named like the kind has its layer before it, and an error says so', async () => {
  for (const [yaml, text] of [
    ['{ block: /dev/sdb, disk.block: 4096 }', 'block:/dev/sdb,disk.block=4096'],
    ["{ cache: 'qcow2:x', qcow2.cache: 1M }", 'cache:qcow2:x,qcow2.cache=1M'],
  ] as const) {
    const read = await lunOf(yaml)
    assert.deepEqual({ ...(read as object), label: '' }, { ...parseLun(text), label: '' })
  }
  await assert.rejects(lunOf('{ block: /dev/sdb, block: 4096 }'), {
    code: 'CONFIG_FILE',
    hint: /disk\.block: 4096/,
  })
})
