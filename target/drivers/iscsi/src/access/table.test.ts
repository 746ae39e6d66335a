// SPDX-License-Identifier: Apache-2.0
// The access table: lists, rules and their order, accounts, groups; and the matcher against a naive model.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MappedLun, NexusView } from '@lunkit/target-api'
import fc from 'fast-check'
import { explain } from './explain.ts'
import type { Who } from './facts.ts'
import type { Access, AccessRule } from './options.ts'
import { AccessTable, type TargetFacts } from './table.ts'

const NAME = 'iqn.2026-11.test.lunkit:disk'
const secret = 'a secret that is long'
const alice = { user: 'alice', secret }
const bob = { user: 'bob', secret: 'another that is long' }

/** A target with a map for everybody, one with a LUN in group `few`, and an empty group `empty`. */
const groupOf = (initiator: string): string | null => (initiator.endsWith(':hidden') ? 'empty' : null)
const target: TargetFacts = {
  name: NAME,
  groupOf,
  lunsOf(initiator, { group = groupOf(initiator), readonly = false }: NexusView = {}) {
    const maps: Record<string, number[]> = { '': [0, 1], few: [7], empty: [] }
    const luns = maps[group ?? '']
    const only = (lun: number): boolean => (typeof readonly === 'boolean' ? readonly : readonly.includes(lun))
    return luns?.map((lun): MappedLun => ({ lun, readonly: only(lun) })) ?? null
  },
}

const who = (more: Partial<Who> = {}): Who => ({
  initiator: 'iqn.2026-11.test.lunkit:me',
  address: '192.0.2.1',
  portal: { tag: 1, host: '198.51.100.1', port: 3260 },
  certificate: null,
  ...more,
})

const tableOf = (access: Access): AccessTable => new AccessTable({ access: { '*': access } }, () => undefined)
const ruleFor = (rules: readonly AccessRule[], more: Partial<Who> = {}): string =>
  tableOf({ rules }).decide(target, who(more)).rule

describe('conditions', () => {
  const from = (address: string): Partial<Who> => ({ address })
  const to = (host: string, port = 3260, tag = 1): Partial<Who> => ({ portal: { host, port, tag } })
  const shown = (...names: string[]): Partial<Who> => ({
    certificate: { names, fingerprint: Array(32).fill('AB').join(':') },
  })
  const cases: [rule: AccessRule, fits: Partial<Who>[], not: Partial<Who>[]][] = [
    [{ initiators: ['*:me'] }, [{}], [{ initiator: 'iqn.x:you' }]],
    [{ initiators: ['!*:you'] }, [{}], [{ initiator: 'iqn.x:you' }]],
    [{ initiators: [] }, [], [{}]],
    [{ addresses: ['192.0.2.0/24'] }, [{}, from('::ffff:192.0.2.9')], [from('192.0.3.1'), from('::1')]],
    [{ addresses: ['!192.0.2.0/24'] }, [from('192.0.3.1'), from('fd00::1')], [{}]],
    [{ addresses: ['10.0.0.0/8', '!10.1.0.0/16'] }, [from('10.2.3.4')], [from('10.1.3.4'), {}]],
    [{ addresses: ['fd00::/8', '::1'] }, [from('fd12::9'), from('::1')], [from('fe80::1'), {}]],
    [{ addresses: ['fe80::/10'] }, [from('fe80::1%eth0')], [from('fd00::1')]],
    [{ portals: [2] }, [to('::1', 1, 2)], [{}]],
    [{ portals: ['!2', '!3'] }, [{}], [to('::1', 1, 2), to('::1', 1, 3)]],
    [{ portals: ['198.51.100.0/24'] }, [{}], [to('203.0.113.1')]],
    [{ portals: ['198.51.100.1:3260'] }, [{}], [to('198.51.100.1', 3261), to('198.51.100.2')]],
    [{ portals: ['[fd00::1]:860', '[fd00::2]'] }, [to('fd00::1', 860), to('fd00::2', 1)], [to('fd00::1')]],
    [{ certificates: ['*.example'] }, [shown('x', 'a.example')], [{}, shown('example.org'), shown()]],
    [{ certificates: ['!bad*'] }, [shown('good')], [{}, shown('good', 'bad1')]],
    [{ certificates: [Array(32).fill('ab').join(':')] }, [shown('x')], [{}]],
    [{ initiators: ['*:me'], addresses: ['192.0.2.1'] }, [{}], [from('192.0.2.2'), { initiator: 'iqn.x:y' }]],
  ]
  for (const [rule, fits, not] of cases) {
    test(JSON.stringify(rule).slice(0, 80), () => {
      for (const one of fits) assert.equal(ruleFor([rule], one), 'rule 1', JSON.stringify(one))
      for (const one of not) assert.equal(ruleFor([rule], one), 'the end of the rules', JSON.stringify(one))
    })
  }
})

describe('rules', () => {
  test('the first that fits decides, and those before it say why they did not', () => {
    const table = tableOf({
      rules: [
        { name: 'backup', initiators: ['*:backup'], readonly: true },
        { addresses: ['10.0.0.0/8'], hide: true },
        { group: 'few' },
      ],
    })
    const decision = table.decide(target, who())
    assert.deepEqual(decision, {
      allowed: true,
      proof: 'none',
      accounts: [],
      view: { group: 'few' },
      rule: 'rule 3',
      skipped: [
        'rule 1 (backup): initiator iqn.2026-11.test.lunkit:me is not on the list (*:backup)',
        'rule 2: address 192.0.2.1 is not on the list (10.0.0.0/8)',
      ],
    })
    assert.equal(table.decide(target, who({ initiator: 'iqn.x:backup' })).rule, 'rule 1 (backup)')
    const hidden = table.decide(target, who({ address: '10.1.1.1' }))
    assert.deepEqual([hidden.allowed, !hidden.allowed && hidden.hidden], [false, true])
  })

  test('without an entry a target is open; with one, whoever fits nothing may not log in', () => {
    const open = new AccessTable({}, () => undefined)
    assert.equal(open.decide(target, who()).allowed, true)
    assert.equal(open.decide({ ...target, name: 'toString' }, who()).allowed, true)
    const other = new AccessTable({ access: { '*': { initiators: [] }, [NAME]: {} } }, () => undefined)
    assert.equal(other.decide(target, who()).allowed, true)
    const decision = other.decide({ ...target, name: 'iqn.2026-11.test.lunkit:b' }, who())
    assert.deepEqual([decision.allowed, !decision.allowed && decision.hidden], [false, false])
    assert.equal(tableOf({ rules: [] }).decide(target, who()).allowed, false)
  })

  test('the lists of a target hold besides its rules', () => {
    const table = tableOf({ initiators: ['*:me'], addresses: ['192.0.2.0/24'], rules: [{}] })
    assert.equal(table.decide(target, who()).allowed, true)
    assert.equal(table.decide(target, who({ address: '10.0.0.1' })).allowed, false)
    assert.equal(table.decide(target, who({ initiator: 'iqn.x:you' })).allowed, false)
  })

  test('a group without LUNs, and one that is not there, hide the target', () => {
    for (const [rule, more] of [
      [{ group: 'empty' }, {}],
      [{ group: 'none' }, {}],
      [{}, { initiator: 'iqn.x:hidden' }],
    ] as const) {
      const decision = tableOf({ rules: [rule] }).decide(target, who(more))
      assert.ok(!decision.allowed && decision.hidden)
    }
    const open = tableOf({ rules: [{ group: 'few' }] }).decide(target, who({ initiator: 'iqn.x:hidden' }))
    assert.equal(open.allowed, true)
  })
})

describe('accounts', () => {
  const grants = (access: Access, user: string | null, more: Partial<Who> = {}) => {
    const table = tableOf(access)
    return table.grant(table.decide(target, who(more)), target, who(more), user)
  }
  const view = (access: Access, user: string | null) => {
    const grant = grants(access, user)
    return 'view' in grant ? grant.view : grant.reason
  }

  test('one of several has to be proved', () => {
    const access = { chap: [alice, bob] }
    assert.deepEqual([view(access, 'alice'), view(access, 'bob')], [{}, {}])
    assert.deepEqual(
      [view(access, 'carol'), view(access, null)],
      ['User "carol" has no account for it', 'CHAP is wanted'],
    )
  })

  test('a rule may ask for some of them, for others, or for none', () => {
    const rules = (rule: AccessRule): Access => ({ chap: [alice, bob], rules: [rule] })
    assert.deepEqual(view(rules({ users: ['bob'] }), 'bob'), {})
    assert.equal(view(rules({ users: ['bob'] }), 'alice'), 'User "alice" has no account for it')
    assert.deepEqual(view(rules({ chap: { user: 'carol', secret } }), 'carol'), {})
    assert.equal(
      view(rules({ chap: { user: 'carol', secret } }), 'alice'),
      'User "alice" has no account for it',
    )
    assert.deepEqual(view(rules({ chap: 'none', readonly: true }), null), { readonly: true })
    const optional = tableOf(rules({ chap: 'none' })).decide(target, who())
    assert.equal(optional.allowed && optional.proof, 'optional')
  })

  test('an account may get less than its rule gives, or something else', () => {
    const access: Access = {
      chap: [alice, { ...bob, readonly: true }, { user: 'carol', secret, group: 'empty' }],
      rules: [{ group: 'few', readonly: [7] }],
    }
    assert.deepEqual(view(access, 'alice'), { group: 'few', readonly: [7] })
    assert.deepEqual(view(access, 'bob'), { group: 'few', readonly: true })
    assert.equal(view(access, 'carol'), "Group 'empty' has no LUNs")
    const rows = explain(tableOf(access), [target], who())
    assert.deepEqual(
      rows.map(({ user, visible, answer, luns }) => [user, visible, answer, luns]),
      [
        ['alice', true, 'login', [{ lun: 7, readonly: true }]],
        ['bob', true, 'login', [{ lun: 7, readonly: true }]],
        ['carol', false, 'not found', []],
      ],
    )
  })

  test('discovery lists what its user may log in to; a user of no target sees all that is open to its name', () => {
    const table = new AccessTable(
      { access: { [NAME]: { chap: alice }, 'iqn.2026-11.test.lunkit:b': { chap: bob } } },
      () => undefined,
    )
    const other = { ...target, name: 'iqn.2026-11.test.lunkit:b' }
    const listed = (user: string | null) =>
      [target, other].map(one => table.lists(table.decide(one, who()), one, who(), user))
    assert.deepEqual(listed('alice'), [true, false])
    assert.deepEqual(listed('bob'), [false, true])
    assert.deepEqual(listed('scout'), [true, true])
    assert.deepEqual(listed(null), [true, true])
  })
})

test('what cannot be meant is refused', () => {
  const code = (access: Access): string => {
    try {
      tableOf(access)
      return ''
    } catch (error) {
      return (error as { code: string }).code
    }
  }
  const cases: [string, Access][] = [
    ['', { chap: [alice, bob], rules: [{ users: ['alice'] }, { hide: true }] }],
    ['ACCESS_ENTRY', { initiators: [''] }],
    ['ACCESS_ENTRY', { initiators: ['!'] }],
    ['ACCESS_ENTRY', { initiators: ['!!a'] }],
    ['ACCESS_ENTRY', { initiators: 'iqn.x:*' as unknown as string[] }],
    ['ACCESS_ENTRY', { addresses: ['10.0.0.0/33'] }],
    ['ACCESS_ENTRY', { addresses: ['disk.example'] }],
    ['ACCESS_ENTRY', { addresses: ['10.0.0.0/8/9'] }],
    ['ACCESS_ENTRY', { addresses: ['::ffff:10.0.0.1'] }],
    ['ACCESS_ENTRY', { addresses: ['fe80::1%eth0'] }],
    ['ACCESS_ENTRY', { rules: [{ portals: ['[fe80::1%eth0]:3260'] }] }],
    ['ACCESS_ENTRY', { rules: [{ addresses: ['10.0.0'] }] }],
    ['ACCESS_ENTRY', { rules: [{ portals: [0] }] }],
    ['ACCESS_ENTRY', { rules: [{ portals: ['10.0.0.1:0'] }] }],
    ['ACCESS_ENTRY', { rules: [{ portals: ['::1:3260:x'] }] }],
    ['ACCESS_ENTRY', { rules: [{ certificates: [' '] }] }],
    ['ACCESS_RULE', { rules: [{ hide: true, readonly: true }] }],
    ['ACCESS_RULE', { rules: [{ users: ['alice'] }] }],
    ['ACCESS_RULE', { chap: alice, rules: [{ users: [] }] }],
    ['ACCESS_RULE', { chap: alice, rules: [{ users: ['alice'], chap: 'none' }] }],
    ['ACCESS_RULE', { rules: [{ group: '' }] }],
    ['ACCESS_RULE', { rules: [{ readonly: [-1] }] }],
    ['ACCESS_RULE', { chap: { ...alice, readonly: [0.5] } }],
    ['CHAP_EMPTY', { chap: [] }],
    ['CHAP_USER', { chap: [alice, { ...bob, user: 'alice' }] }],
    ['CHAP_USER', { chap: { ...alice, user: 'al\nice' } }],
    ['CHAP_USER', { chap: { ...alice, mutual: { user: 't'.repeat(256), secret: 'another secret of 12' } } }],
    ['CHAP_SAME_SECRET', { chap: [alice, { ...bob, mutual: { user: 'target', secret } }] }],
    ['CHAP_EMPTY', { rules: [{ chap: { user: '', secret } }] }],
  ]
  for (const [wanted, access] of cases) assert.equal(code(access), wanted, JSON.stringify(access))
})

// ---- Against a model ----

const bits = (address: string): string =>
  address
    .split('.')
    .map(byte => Number(byte).toString(2).padStart(8, '0'))
    .join('')

function inSubnet(entry: string, address: string): boolean {
  const [net = '', length = '32'] = entry.split('/')
  return bits(net).slice(0, Number(length)) === bits(address).slice(0, Number(length))
}

/** A list by its definition: nothing is out that is in, in words of sets. */
function onList(entries: readonly string[] | undefined, fits: (entry: string) => boolean): boolean {
  if (entries === undefined) return true
  const out = entries.filter(entry => entry.startsWith('!')).map(entry => entry.slice(1))
  const within = entries.filter(entry => !entry.startsWith('!'))
  if (out.some(fits)) return false
  return within.length === 0 ? out.length > 0 : within.some(fits)
}

const glob = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`)

function model(rules: readonly AccessRule[], { initiator, address, portal }: Who): number {
  return rules.findIndex(
    rule =>
      onList(rule.initiators, entry => glob(entry).test(initiator)) &&
      onList(rule.addresses, entry => inSubnet(entry, address)) &&
      onList(rule.portals as string[] | undefined, entry =>
        /^\d+$/.test(entry) ? portal.tag === Number(entry) : inSubnet(entry, portal.host),
      ),
  )
}

const negatable = (entry: fc.Arbitrary<string>): fc.Arbitrary<string[]> =>
  fc.array(
    fc.tuple(fc.boolean(), entry).map(([not, text]) => (not ? `!${text}` : text)),
    { maxLength: 3 },
  )
const address = fc
  .tuple(fc.constantFrom(10, 11), fc.nat(1), fc.nat(1), fc.nat(3))
  .map(bytes => bytes.join('.'))
const subnet = fc
  .tuple(address, fc.constantFrom('', '/0', '/7', '/8', '/16', '/24', '/31', '/32'))
  .map(one => one.join(''))
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 4 })
const rule = fc.record(
  {
    initiators: negatable(pattern),
    addresses: negatable(subnet),
    portals: negatable(fc.oneof(subnet, fc.constantFrom('1', '2', '3'))),
  },
  { requiredKeys: [] },
)
const somebody = fc.record({
  initiator: fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 }),
  address,
  portal: fc.record({ tag: fc.integer({ min: 1, max: 3 }), host: address, port: fc.constant(3260) }),
  certificate: fc.constant(null),
})

test('the table is what its model says', () => {
  const hits = new Set<number>()
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), somebody, (rules, one) => {
      const wanted = model(rules, one)
      hits.add(wanted)
      const decision = tableOf({ rules }).decide(target, one)
      assert.equal(decision.rule, wanted < 0 ? 'the end of the rules' : `rule ${wanted + 1}`)
      assert.equal(decision.allowed, wanted >= 0)
      assert.equal(decision.skipped.length, wanted < 0 ? rules.length : wanted)
    }),
    { numRuns: 3000 },
  )
  assert.ok(hits.size >= 4, 'rules of all places decide')
})
