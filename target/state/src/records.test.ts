// SPDX-License-Identifier: Apache-2.0
// Records survive cuts at every step, tell of damage, and can be repaired or given up.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { DamagedRecord, type RecordName, type UnitRecords } from '@lunkit/target-api'
import { CutFiles } from './cut-files.test-kit.ts'
import { checkStateFolder, forgetRecord, inspectRecords, openRecords, repairRecord } from './index.ts'

const state = mkdtempSync(join(tmpdir(), 'lunkit-state-'))
after(() => rmSync(state, { recursive: true, force: true }))

let count = 0
function newUnit(): { naa: Uint8Array; hex: string; folder: string } {
  const naa = Buffer.from(`300000000000${(++count).toString(16).padStart(4, '0')}`, 'hex')
  return { naa, hex: naa.toString('hex'), folder: join(state, naa.toString('hex')) }
}

const write = (records: UnitRecords, name: RecordName, text: string | null): Promise<Error | null> =>
  new Promise(resolve => records.write(name, text, resolve))

async function open(naa: Uint8Array): Promise<{ records: UnitRecords; warnings: string[] }> {
  const warnings: string[] = []
  return { records: await openRecords(state, naa, reason => warnings.push(reason)), warnings }
}

test('a record comes back as it was written, and one that was never written is null', async () => {
  const unit = newUnit()
  const first = await open(unit.naa)
  assert.equal(first.records.read('modes'), null)
  assert.throws(() => statSync(unit.folder), 'a folder was made before something was saved')
  const text = 'generation 1\nkey 0x1 für ☃\n'
  assert.equal(await write(first.records, 'reservations', text), null)
  assert.equal(first.records.read('reservations'), text)
  const again = await open(unit.naa)
  assert.equal(again.records.read('reservations'), text)
  assert.equal(again.records.read('modes'), null)
  assert.deepEqual(again.warnings, [])
  assert.deepEqual(readdirSync(unit.folder).sort(), ['reservations', 'reservations.backup'])
  assert.match(readFileSync(join(unit.folder, 'reservations'), 'utf8'), /\nkey 0x1 für ☃\n$/)
})

test('writes of one record are done in their order, those of all names beside each other', async () => {
  const unit = newUnit()
  const { records } = await open(unit.naa)
  const done: string[] = []
  await Promise.all(
    [1, 2, 3].flatMap(n =>
      (['reservations', 'modes'] as const).map(async name => {
        assert.equal(await write(records, name, `${name} ${n}`), null)
        done.push(`${name} ${n}`)
      }),
    ),
  )
  for (const name of ['reservations', 'modes']) {
    assert.deepEqual(
      done.filter(one => one.startsWith(name)),
      [1, 2, 3].map(n => `${name} ${n}`),
    )
  }
  assert.equal((await open(unit.naa)).records.read('modes'), 'modes 3')
})

test('a forgotten record is null, also if it was never there', async () => {
  const unit = newUnit()
  const { records } = await open(unit.naa)
  assert.equal(await write(records, 'unit', null), null)
  assert.equal(await write(records, 'unit', 'x'), null)
  assert.equal(await write(records, 'unit', null), null)
  assert.equal(records.read('unit'), null)
  assert.deepEqual(readdirSync(unit.folder), [])
})

test('one damaged copy is made good by the other, two are DamagedRecord', async () => {
  const unit = newUnit()
  const main = join(unit.folder, 'reservations')
  const { records } = await open(unit.naa)
  await write(records, 'reservations', 'registered\n')
  const whole = readFileSync(main)
  const damages: Record<string, () => void> = {
    'cut off': () => writeFileSync(main, whole.subarray(0, whole.length - 1)),
    empty: () => writeFileSync(main, ''),
    'with a flipped bit': () =>
      writeFileSync(
        main,
        whole.map((byte, i) => (i === whole.length - 2 ? byte ^ 1 : byte)),
      ),
    'longer than it was': () => writeFileSync(main, Buffer.concat([whole, Buffer.from('x')])),
    'of another name': () => writeFileSync(main, whole.toString().replace('reservations', 'modes')),
    missing: () => rmSync(main),
  }
  for (const [what, damage] of Object.entries(damages)) {
    damage()
    const { records: healed, warnings } = await open(unit.naa)
    assert.equal(healed.read('reservations'), 'registered\n', what)
    assert.equal(warnings.length, 1, what)
    assert.match(warnings[0]!, /backup/)
    assert.equal((await inspectRecords(state, unit.hex))[0]!.condition, 'backup')
    await repairRecord(state, unit.hex, 'reservations')
    assert.deepEqual(readFileSync(main), whole, what)
  }
  writeFileSync(main, 'x')
  writeFileSync(`${main}.backup`, 'x')
  const { records: lost, warnings } = await open(unit.naa)
  assert.throws(() => lost.read('reservations'), DamagedRecord)
  assert.match(warnings[0]!, /lost/)
  await assert.rejects(repairRecord(state, unit.hex, 'reservations'), { code: 'STATE_LOST' })
  await forgetRecord(state, unit.hex, 'reservations')
  assert.equal((await open(unit.naa)).records.read('reservations'), null)
  await assert.rejects(forgetRecord(state, unit.hex, 'reservations'), { code: 'FILE_MISSING' })
})

test('a damaged record is whole again after the next write', async () => {
  const unit = newUnit()
  await write((await open(unit.naa)).records, 'modes', 'a')
  for (const file of ['modes', 'modes.backup']) writeFileSync(join(unit.folder, file), 'x')
  const { records } = await open(unit.naa)
  assert.equal(await write(records, 'modes', 'b'), null)
  assert.equal(records.read('modes'), 'b')
})

test('wrong units and names are told', async () => {
  await assert.rejects(inspectRecords(state, '../x'), { code: 'STATE_UNIT' })
  await assert.rejects(repairRecord(state, newUnit().hex, 'x'), { code: 'STATE_RECORD' })
  assert.deepEqual(await inspectRecords(join(state, 'none')), [])
})

const NAA = Buffer.alloc(8, 0x31)
const changes: readonly (readonly [string | null, string | null])[] = [
  [null, 'new'],
  ['old', 'new and longer'],
  ['old', null],
]

for (const [old, next] of changes) {
  test(`power cut at each step of ${old} to ${next}: one of the two is there`, async () => {
    const start = new CutFiles()
    if (old !== null) await write(await openRecords('/s', NAA, () => {}, start), 'reservations', old)
    const content = start.after('lost')
    let results = 0
    for (let cut = 0; ; cut++) {
      const files = new CutFiles(content)
      const records = await openRecords('/s', NAA, () => {}, files)
      assert.equal(records.read('reservations'), old)
      files.left = cut
      const error = await write(records, 'reservations', next)
      for (const fate of ['kept', 'lost'] as const) {
        const found = (await openRecords('/s', NAA, () => {}, new CutFiles(files.after(fate)))).read(
          'reservations',
        )
        if (error === null) assert.equal(found, next, `it said done, and it was not durable (${fate})`)
        else assert.ok(found === old || found === next, `${found} after a cut at step ${cut} (${fate})`)
        results++
      }
      if (error === null) break
    }
    assert.ok(results > 8, `only ${results} cuts were tried`)
  })

  test(`a failure at each step of ${old} to ${next}: the old text stands`, async () => {
    const start = new CutFiles()
    if (old !== null) await write(await openRecords('/s', NAA, () => {}, start), 'reservations', old)
    for (let step = 1; ; step++) {
      const files = new CutFiles(start.after('lost'), true)
      const records = await openRecords('/s', NAA, () => {}, files)
      files.left = step
      const error = await write(records, 'reservations', next)
      const wanted = error === null ? next : old
      assert.equal(records.read('reservations'), wanted)
      const found = (await openRecords('/s', NAA, () => {}, new CutFiles(files.after('lost')))).read(
        'reservations',
      )
      assert.equal(found, wanted, `after a failure at step ${step}`)
      if (error === null) break
      assert.ok(step < 50)
    }
  })
}

// Requirement: SPC-4, Preserving persistent reservations and registrations: what was lost is not taken for nothing.
test('a failure at each step of replacing a damaged record: it is not forgotten', async () => {
  const damaged = new Map(
    ['reservations', 'reservations.backup'].map(name => [
      join('/s', NAA.toString('hex'), name),
      Buffer.from('x'),
    ]),
  )
  for (let step = 1; ; step++) {
    const files = new CutFiles(damaged, true)
    const records = await openRecords('/s', NAA, () => {}, files)
    files.left = step
    const error = await write(records, 'reservations', 'new')
    const after = await openRecords('/s', NAA, () => {}, new CutFiles(files.after('lost')))
    if (error === null) break
    let found: string | null | undefined
    try {
      found = after.read('reservations')
    } catch {}
    assert.ok(found === undefined || found === 'new', `${found} after a failure at step ${step}`)
    assert.ok(step < 50)
  }
})

test('a state folder that can hold nothing is told at once, and one that cannot be made when it is needed', async () => {
  await checkStateFolder(state)
  await checkStateFolder(join(state, 'later'))
  const file = join(state, 'file')
  writeFileSync(file, '')
  await assert.rejects(checkStateFolder(file), { name: 'OperatorError', code: 'STATE_FOLDER' })
  await assert.rejects(inspectRecords(file), { code: 'STATE_FOLDER' })
  const { naa } = newUnit()
  for (const folder of [file, ...(process.platform === 'linux' ? ['/proc/lunkit/state'] : [])]) {
    const records = await openRecords(folder, naa, assert.fail)
    assert.ok((await write(records, 'modes', 'x')) instanceof Error, folder)
  }
})
