// SPDX-License-Identifier: Apache-2.0
// The file of `lunkit run`: what its keys come to, and errors that name the place of what is wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { joinList } from '@lunkit/target-api'
import { checkLuns } from './check-luns.ts'
import { parseConfig } from './config-file.ts'
import { KEYS } from './config-keys.ts'
import { planOf } from './plan.ts'

const A = 'iqn.2026-11.org.example:a'
const B = 'iqn.2026-11.org.example:b'

const EXAMPLE = `
portal: [127.0.0.1:3260, '127.0.0.1:3261,2']
processes: 2
limit: { loginTimeoutMs: 5000, connectionsPerAddress: 8 }
read-only: iqn.*:guest
iscsi: { InitialR2T: yes, MaxBurstLength: 256K }
state: no
targets:
  - name: ${A}
    luns:
      - disk.img,size=10M
      - { file: 'b,c.img', size: 1G, readonly: true, serial: 007, naa: 3000000000000001 }
  - name: ${B}
    luns: [memory:64M]
    read-only: [iqn.*:other]
    redirect-permanent: no
    process: 2
  - { name: '${A}3', luns: [null:1T], state: /var/lib/lunkit, open: yes }
`

test('keys become flags of serve, of a target or of all that do not say otherwise', async () => {
  const plan = planOf(await parseConfig(EXAMPLE, 'x.yaml'), null, '/home/state')
  assert.deepEqual(
    plan.processes.map(share => share.map(({ name }) => name)),
    [[A, `${A}3`], [B]],
  )
  const [a, a3] = plan.processes[0]!
  const [b] = plan.processes[1]!
  const common = {
    portal: ['127.0.0.1:3260', '127.0.0.1:3261,2'],
    limit: ['loginTimeoutMs=5000', 'connectionsPerAddress=8'],
    iscsi: ['InitialR2T=yes', 'MaxBurstLength=256K'],
  }
  assert.deepEqual(a!.flags, { ...common, name: A, state: false, readOnly: ['iqn.*:guest'] })
  assert.deepEqual(b!.flags, { ...common, name: B, state: false, readOnly: ['iqn.*:other'] })
  assert.equal(a3!.flags.state, '/var/lib/lunkit')
  assert.equal(a3!.flags.open, true)
  assert.equal(a!.luns[0], 'disk.img,size=10M')
  assert.deepEqual(a!.luns[1], {
    kind: 'disk',
    filters: [],
    store: 'file',
    keys: { '': 'b,c.img', size: '1G', readonly: 'true', serial: '007', naa: '3000000000000001' },
    label: 'file:b,c.img',
  })
})

test('a drive with images beside it, and an empty one', async () => {
  const luns = '[{ cdrom: a.iso, next: [b.iso, c.iso], serial: 1 }, { cdrom: }, cdrom:]'
  const plan = planOf(
    await parseConfig(`targets: [{ name: '${A}', luns: ${luns} }]`, 'x.yaml'),
    null,
    '/state',
  )
  const [full, empty, text] = plan.processes[0]![0]!.luns
  assert.deepEqual(full, {
    kind: 'cdrom',
    filters: [],
    store: 'file',
    keys: { '': 'a.iso', next: joinList(['b.iso', 'c.iso']), serial: '1' },
    label: 'cdrom:a.iso',
  })
  assert.deepEqual(empty, { kind: 'cdrom', filters: [], store: null, keys: {}, label: 'cdrom:' })
  // To YAML the bare text is a key as well.
  assert.deepEqual(text, empty)
})

test('a wrong LUN is told with its place, before any is opened', async () => {
  for (const [lun, code, message] of [
    ['{ file: b.img, sise: 16M }', 'LUN_KEY_UNKNOWN', /targets\[1\]\.luns\[1\].*'sise'/],
    ['{ throttle: memory:1M, iops: many }', 'PARAMETER_VALUE', /targets\[1\]\.luns\[1\].*many/],
    ['floppy:a.img', 'LUN_KIND_UNKNOWN', /targets\[1\]\.luns\[1\].*floppy/],
  ] as const) {
    const text = `targets: [{ name: '${A}', luns: [a.img] }, { name: '${B}', luns: [memory:1M, ${lun}] }]`
    await assert.rejects(checkLuns(await parseConfig(text, 'x.yaml')), { code, message })
  }
  await checkLuns(await parseConfig(EXAMPLE, 'x.yaml'))
})

test('the command line says how many processes there are, whatever the file says', async () => {
  const config = await parseConfig(EXAMPLE, 'x.yaml')
  assert.equal(planOf(config, 1, '').processes.length, 1)
  assert.equal(planOf(config, 3, '').processes.length, 3)
  assert.equal(planOf(config, 9, '').processes.length, 3, 'a process without a target is none')
})

test('JSON is read as well, and one target needs no name', async () => {
  const text = JSON.stringify({ targets: [{ luns: [{ memory: '64M', removable: true }] }], open: true })
  const plan = planOf(await parseConfig(text, 'x.json'), null, '')
  assert.match(plan.processes[0]![0]!.name, /^iqn\./)
  assert.equal(plan.flags.open, true)
})

const target = (more = ''): string => `targets:\n  - name: ${A}\n    luns: [memory:1M]\n${more}`

const WRONG: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  ['no YAML', 'targets: [', /at line 1/],
  ['a key twice', `${target()}portal: x\nportal: y\n`, /unique/],
  ['nothing', '', /it is not a list of keys/],
  ['no targets', 'portal: 127.0.0.1', /targets is not a list with a target/],
  ['a target that is a text', 'targets: [disk.img]', /targets\[0\] is not a list of keys/],
  ['no LUN', `targets: [{ name: '${A}' }]`, /targets\[0\]\.luns is not a list/],
  ['an unknown key', `${target()}portals: x`, /: portals is no key/],
  ['an unknown key of a target', target('    chap: x'), /targets\[0\]\.chap is no key/],
  ['a key of another place', target('    portal: x'), /targets\[0\]\.portal is a key of another place/],
  ['a key of a target at the top', `${target()}name: x`, /: name is a key of another place/],
  ['a list for a text', target('    chap-file: [a]'), /targets\[0\]\.chap-file is not a text/],
  ['an empty value', target('    initiator: [a, ]\n    open:'), /targets\[0\]\.open is not yes or no/],
  ['a mistyped targets', 'target: [{ luns: [a] }]', /: target is no key/],
  ['a mistyped luns', 'targets: [{ lun: [a] }]', /targets\[0\]\.lun is no key/],
  [
    'a LUN of no kind',
    'targets: [{ luns: [{ size: 1G }] }]',
    /luns\[0\] begins with 'size', which is no kind/,
  ],
  [
    'a list in a list of a LUN',
    'targets: [{ luns: [{ file: a, size: [[1]] }] }]',
    /luns\[0\]\.size\[0\] is not a text/,
  ],
  ['no number', `${target()}processes: many`, /processes is not a number from 1/],
  ['process 0', target('    process: 0'), /targets\[0\]\.process is not a number/],
  ['a process too many', target(`    process: 3\nprocesses: 2`), /targets\[0\]\.process is 3/],
  [
    'a name twice',
    `${target()}  - { name: '${A}', luns: [memory:1M] }`,
    /targets\[1\] and targets\[0\] have one/,
  ],
  ['no name', `${target()}  - { luns: [memory:1M] }`, /targets\[1\]\.name is missing/],
  ['no iSCSI name', target().replace(A, 'disk'), /'disk' is no name for a target/],
  ['TLS of two processes', `${target()}portal: '127.0.0.1,tls'\nprocesses: 2`, /TLS, which one process/],
]

for (const [what, text, message] of WRONG) {
  test(`${what} is told with its place`, () =>
    assert.rejects(async () => planOf(await parseConfig(text, 'x.yaml'), null, ''), { message }))
}

test('each key is a flag of serve', async () => {
  const { build } = await import('../commands/serve.ts')
  const flags = new Set(build().options.map(({ long }) => long))
  assert.deepEqual(
    Object.keys(KEYS).filter(name => !flags.has(`--${name}`)),
    [],
  )
})
