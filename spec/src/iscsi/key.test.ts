// SPDX-License-Identifier: Apache-2.0
// The key rows against a second list, typed from RFC 7143 in its own words: Use, Senders, Scope, result function.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isExtensionKey, isIrrelevant, KEYS, type Key, type KeyValue, keyByName } from './key.ts'

// Section | key | use (A: Any-Stage, D: declarative) | senders | scope | value | default | result | irrelevant when
// Security keys have the use SN. A result is a function, or - where each side declares.
const STANDARD = `
12.1   | AuthMethod               | IO SN  | I&T | CO | KRB5,SRP,CHAP,None               | -         | First | -
12.1.3 | CHAP_A                   | IO SN  | I&T | CO | list                              | -         | First | -
12.1.3 | CHAP_I                   | IO SN D | I&T | CO | 0..255                            | -         | -     | -
12.1.3 | CHAP_C                   | IO SN D | I&T | CO | binary up to 1024                 | -         | -     | -
12.1.3 | CHAP_N                   | IO SN D | I&T | CO | text                              | -         | -     | -
12.1.3 | CHAP_R                   | IO SN D | I&T | CO | binary up to 1024                 | -         | -     | -
13.1   | HeaderDigest             | IO     | I&T | CO | CRC32C,None                       | None      | First | -
13.1   | DataDigest               | IO     | I&T | CO | CRC32C,None                       | None      | First | -
13.2   | MaxConnections           | LO     | I&T | SW | 1..65535                          | 1         | Min   | Discovery
13.3   | SendTargets              | FFPO D | I   | SW | text                              | -         | -     | -
13.4   | TargetName               | ALL A D | I&T | SW | iscsi-name                        | -         | -     | -
13.5   | InitiatorName            | IO A D | I   | SW | iscsi-name                        | -         | -     | -
13.6   | TargetAlias              | ALL A D | T   | SW | local-name                        | -         | -     | -
13.7   | InitiatorAlias           | ALL A D | I   | SW | local-name                        | -         | -     | -
13.8   | TargetAddress            | ALL A D | T   | SW | address                           | -         | -     | -
13.9   | TargetPortalGroupTag     | IO A D | T   | SW | 0..65535                          | -         | -     | -
13.10  | InitialR2T               | LO     | I&T | SW | boolean                           | Yes       | OR    | Discovery
13.11  | ImmediateData            | LO     | I&T | SW | boolean                           | Yes       | AND   | Discovery
13.12  | MaxRecvDataSegmentLength | ALL D  | I&T | CO | 512..16777215                     | 8192      | -     | -
13.13  | MaxBurstLength           | LO     | I&T | SW | 512..16777215                     | 262144    | Min   | Discovery
13.14  | FirstBurstLength         | LO     | I&T | SW | 512..16777215                     | 65536     | Min   | Discovery; InitialR2T=Yes and ImmediateData=No
13.15  | DefaultTime2Wait         | LO     | I&T | SW | 0..3600                           | 2         | Max   | -
13.16  | DefaultTime2Retain       | LO     | I&T | SW | 0..3600                           | 20        | Min   | -
13.17  | MaxOutstandingR2T        | LO     | I&T | SW | 1..65535                          | 1         | Min   | Discovery
13.18  | DataPDUInOrder           | LO     | I&T | SW | boolean                           | Yes       | OR    | Discovery
13.19  | DataSequenceInOrder      | LO     | I&T | SW | boolean                           | Yes       | OR    | Discovery
13.20  | ErrorRecoveryLevel       | LO     | I&T | SW | 0..2                              | 0         | Min   | -
13.21  | SessionType              | LO A D | I   | SW | Discovery,Normal                  | Normal    | -     | -
13.23  | TaskReporting            | LO     | I&T | SW | RFC3720,ResponseFence,FastAbort   | RFC3720   | First | Discovery
13.24  | iSCSIProtocolLevel       | LO     | I&T | SW | 0..31                             | 1         | Min   | Discovery
13.25  | OFMarker                 | IO     | I&T | CO | boolean                           | -         | Reject | -
13.25  | IFMarker                 | IO     | I&T | CO | boolean                           | -         | Reject | -
13.25  | OFMarkInt                | IO     | I&T | CO | range 1..65535                    | -         | Reject | -
13.25  | IFMarkInt                | IO     | I&T | CO | range 1..65535                    | -         | Reject | -
13.26  | X#NodeArchitecture       | LO D   | I&T | SW | text                              | -         | -     | -
`

// The row of the second list, from a key's row.
function line(key: Key): string {
  const use = { 'leading-only': 'LO', 'initial-only': 'IO', 'full-feature-only': 'FFPO', all: 'ALL' }[key.use]
  const stages = key.stages.join()
  const any = stages.startsWith('security,') ? ' A' : stages === 'security' ? ' SN' : ''
  const result = {
    and: 'AND',
    or: 'OR',
    min: 'Min',
    max: 'Max',
    'first-common': 'First',
    declare: '-',
    refuse: key.answer,
  }[key.rule]
  return [
    key.cite.replace('RFC 7143, ', ''),
    key.name,
    `${use}${any}${key.kind === 'declarative' ? ' D' : ''}`,
    { both: 'I&T', initiator: 'I', target: 'T' }[key.sender],
    { session: 'SW', connection: 'CO' }[key.scope],
    valueForm(key),
    key.default === true ? 'Yes' : String(key.default ?? '-'),
    result,
    key.irrelevantWhen.map(conditionText).join('; ') || '-',
  ].join(' | ')
}

function valueForm(key: Key): string {
  if (key.values !== null) return key.values.join()
  if (key.type === 'number') return `${key.min}..${key.max}`
  if (key.type === 'range') return `range ${key.min}..${key.max}`
  return key.type === 'binary' ? `binary up to ${key.maxBytes}` : key.type
}

function conditionText(condition: Readonly<Record<string, KeyValue>>): string {
  if (condition['SessionType'] === 'Discovery') return 'Discovery'
  return Object.entries(condition)
    .map(([name, value]) => `${name}=${value === true ? 'Yes' : value === false ? 'No' : value}`)
    .join(' and ')
}

test('each key is as in the standard', () => {
  const rows = STANDARD.trim().split('\n')
  const wanted = rows.map(row =>
    row
      .split('|')
      .map(cell => cell.trim())
      .join(' | '),
  )
  assert.deepEqual(KEYS.map(line), wanted)
})

test('stages follow from the use', () => {
  for (const key of KEYS) {
    const fullFeature = key.stages.includes('full-feature')
    assert.equal(fullFeature, key.use === 'all' || key.use === 'full-feature-only', key.name)
    assert.equal(
      key.stages.includes('operational'),
      key.use !== 'full-feature-only' && !isSecurity(key),
      key.name,
    )
  }
})

const isSecurity = (key: Key): boolean => key.name === 'AuthMethod' || key.name.startsWith('CHAP_')

test('types, words and limits fit each other', () => {
  for (const key of KEYS) {
    const numeric = key.type === 'number' || key.type === 'range'
    assert.equal(key.min !== null && key.max !== null, numeric, key.name)
    if (typeof key.default === 'number')
      assert.ok(key.default >= key.min! && key.default <= key.max!, key.name)
    if (typeof key.default === 'string') assert.ok(key.values?.includes(key.default), key.name)
    assert.equal(key.rule === 'declare', key.kind === 'declarative', key.name)
    assert.equal(key.rule === 'refuse', key.answer !== null, key.name)
    assert.equal(
      key.rule === 'and' || key.rule === 'or',
      key.type === 'boolean' && key.answer === null,
      key.name,
    )
    assert.equal(key.maxBytes, key.type === 'iscsi-name' ? 223 : key.type === 'binary' ? 1024 : 255, key.name)
    for (const condition of key.irrelevantWhen) {
      for (const name of Object.keys(condition)) assert.ok(keyByName(name), `${key.name}: ${name}`)
    }
    assert.ok(Object.isFrozen(key))
  }
  assert.deepEqual(
    KEYS.filter(key => key.notAbove !== null).map(key => [key.name, key.notAbove]),
    [['FirstBurstLength', 'MaxBurstLength']],
  )
  assert.deepEqual(
    KEYS.filter(key => key.repeatable).map(key => key.name),
    ['TargetName', 'TargetAddress'],
  )
})

test('names are unique and looked up exactly', () => {
  assert.equal(new Set(KEYS.map(key => key.name)).size, KEYS.length)
  for (const key of KEYS) assert.equal(keyByName(key.name), key)
  assert.equal(keyByName('maxburstlength'), undefined)
  assert.equal(keyByName('constructor'), undefined)
  assert.equal(keyByName('X-com.example.key'), undefined)
  assert.ok(isExtensionKey('X-com.example.key'))
  assert.ok(isExtensionKey('X#Registered'))
  assert.ok(!isExtensionKey('Xenon'))
})

test('a key is irrelevant under its conditions only', () => {
  const irrelevant = (name: string, settled: Record<string, KeyValue>): boolean =>
    isIrrelevant(keyByName(name)!, one => settled[one])
  assert.ok(irrelevant('MaxBurstLength', { SessionType: 'Discovery' }))
  assert.ok(!irrelevant('MaxBurstLength', { SessionType: 'Normal' }))
  assert.ok(!irrelevant('MaxBurstLength', {}))
  assert.ok(!irrelevant('HeaderDigest', { SessionType: 'Discovery' }))
  assert.ok(irrelevant('FirstBurstLength', { InitialR2T: true, ImmediateData: false }))
  assert.ok(irrelevant('FirstBurstLength', { ImmediateData: false }), 'InitialR2T is Yes by default')
  assert.ok(!irrelevant('FirstBurstLength', { InitialR2T: false, ImmediateData: false }))
  assert.ok(!irrelevant('FirstBurstLength', { InitialR2T: true, ImmediateData: true }))
  assert.ok(!irrelevant('FirstBurstLength', {}))
})
