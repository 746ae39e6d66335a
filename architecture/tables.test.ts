// SPDX-License-Identifier: Apache-2.0
// Tables of the tree against each other: nothing listed twice, nothing forgotten, every name with its facts.
import assert from 'node:assert/strict'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import * as spec from '@lunkit/spec'
import type { Binding, DeviceType, Parameter, ParameterTable } from '@lunkit/target-api'
import { tableOf } from '../cli/src/kind-help.ts'
import { FILTERS, KINDS, roleOf, STORES } from '../cli/src/target-face/plug-ins.ts'
import { files, isTest, ROOT } from './sources.ts'

const load = async (file: string): Promise<Record<string, unknown>> =>
  (await import(pathToFileURL(join(ROOT, file)).href)) as Record<string, unknown>

const isBinding = (value: unknown): value is Binding =>
  typeof value === 'object' && value !== null && 'command' in value && 'run' in value

/** Bindings among what a module exports, alone or in lists. */
const bindingsIn = (module: Record<string, unknown>): Binding[] =>
  Object.values(module).flat().filter(isBinding)

test('every handler of a device is in its list, and no command twice', async () => {
  let seen = 0
  for (const index of files('/index.ts').filter(file =>
    /^target\/devices\/src\/[^/]+\/index\.ts$/.test(file),
  )) {
    const { device } = (await load(index)) as { device: DeviceType }
    const listed = new Set(device.bindings)
    const rows = device.bindings.map(({ command }) => `${command.opcode}/${command.serviceAction}`)
    assert.equal(new Set(rows).size, rows.length, `${device.name} lists a command twice`)
    for (const file of files('.ts').filter(
      one => one.startsWith(`${dirname(index)}/commands/`) && !isTest(one),
    )) {
      for (const binding of bindingsIn(await load(file))) {
        seen++
        // Some depend on the store (UNMAP): those may be listed by a variant of the type.
        const known =
          listed.has(binding) || rows.includes(`${binding.command.opcode}/${binding.command.serviceAction}`)
        assert.ok(known || /thin|unmap/i.test(file), `${file}: ${binding.command.name} is in no list`)
      }
    }
  }
  assert.ok(seen > 20, `only ${seen} handlers were seen`)
})

test('command rows have unique codes within a device type, and their length fits the opcode', () => {
  const { ALL_COMMANDS } = spec
  assert.ok(ALL_COMMANDS.length > 150, `only ${ALL_COMMANDS.length} rows were seen`)
  const names = ALL_COMMANDS.map(({ name }) => name)
  assert.ok(names.every(name => name.length > 3))
  /** CDB length by the opcode's group code (SPC-4, operation code). */
  const lengths = [6, 10, 10, null, 16, 12, null, null]
  for (const { name, opcode, length } of ALL_COMMANDS) {
    const wanted = opcode === 0x7f ? 32 : lengths[opcode >> 5]
    if (wanted != null) assert.equal(length, wanted, name)
  }
})

test('named sense codes are those of the full list', () => {
  let seen = 0
  for (const [name, value] of Object.entries(spec)) {
    if (typeof value !== 'object' || value === null || !('ascq' in value) || !('text' in value)) continue
    seen++
    const { key, asc, ascq, text } = value as spec.SenseCode
    assert.ok(key >= 0 && key <= 15, name)
    assert.equal(spec.ascText(asc, ascq), text, name)
  }
  assert.ok(seen > 100, `only ${seen} codes were seen`)
})

test('text keys are unique', () => {
  const names = spec.KEYS.map(({ name }) => name)
  assert.ok(names.length > 25, `only ${names.length} keys were seen`)
  assert.equal(new Set(names).size, names.length)
})

interface PlugIn {
  readonly name: string
  readonly apiVersion: number
  readonly parameters: ParameterTable
}

/** What each plug-in folder's file exports under `role`, which has to have the folder's name and be known to the command line. */
async function plugIns(
  folder: string,
  role: string,
  known: Readonly<Record<string, unknown>>,
): Promise<void> {
  const found = files(`/${role}.ts`).filter(file => file.startsWith(folder))
  const names = found.map(file => basename(dirname(file)))
  assert.deepEqual(names.toSorted(), Object.keys(known).toSorted())
  for (const [i, file] of found.entries()) {
    const plugIn = ((await load(file)) as Record<string, PlugIn>)[role]!
    assert.equal(plugIn.name, names[i])
    assert.equal(plugIn.apiVersion, 1)
    const rows = Object.entries(plugIn.parameters)
    assert.ok(rows.filter(([, { argument }]) => argument).length <= (role === 'filter' ? 0 : 1), names[i])
    for (const [key, { help }] of rows) assert.ok(help.length > 5, `${names[i]}: ${key} has no help`)
  }
}

test('every store folder is a store of that name, and the command line knows it', () =>
  plugIns('', 'store', STORES))

test('every filter folder is a filter of that name, and the command line knows it', () =>
  plugIns('target/stores/src/filters/', 'filter', FILTERS))

/** Keys of several plug-ins whose help is not the same to the letter: what all of it says. */
const MEANINGS: Readonly<Record<string, RegExp>> = {
  wait: /^Seconds that requests wait for a [a-z]+ that is away$/,
  timeout: /^Seconds that the [a-z]+ may take for a request/,
  readonly: /^Refuse (every write|writes; several units may then share the [a-z]+|commands that write)$/,
  size: /^(Size of the unit|Its length: creates the file|Size of its disk: creates the image)/,
  path: /^The (file|device, such as \/dev\/sdb|image)$/,
  unit: /^Which (unit: iscsi:|of its units)/,
  block: /^(Logical block size|Bytes of a block)/,
  force: /^(Serve it even though it is|Also a disk that) /,
  connections: /^Connections(,| to the real target,) where /,
  'tls-ca': /^Who signs the (server|real target)'s certificate, PEM/,
  'tls-cert': /^Certificate (that the server is shown|to show to the real target), PEM$/,
  'tls-key': /^Its private key/,
}

test('keys of one name mean the same in all plug-ins, and take the same', async () => {
  const seen = new Map<string, Parameter[]>()
  for (const kind of KINDS) {
    for (const [key, row] of Object.entries(await tableOf(kind, roleOf(kind)!)))
      seen.set(key, [...(seen.get(key) ?? []), row])
  }
  const shared = [...seen].filter(([, rows]) => rows.length > 1)
  assert.ok(shared.length > 8, `only ${shared.length} keys of several plug-ins were seen`)
  for (const [key, rows] of shared) {
    assert.equal(new Set(rows.map(({ type }) => type)).size, 1, `${key} has several types`)
    const helps = new Set(rows.map(({ help }) => help))
    if (helps.size === 1) continue
    for (const help of helps) assert.match(help, MEANINGS[key] ?? /^$/, `${key} means several things`)
  }
})

test('no two plug-ins have one name', () => {
  assert.equal(new Set(KINDS).size, KINDS.length)
})
