// SPDX-License-Identifier: Apache-2.0
// Access by flags and files: what they come to as settings, and that each fault is told with its place.
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type AccessFlags, readAccess } from './access-flags.ts'
import { UsageError } from './usage-error.ts'

const folder = mkdtempSync(join(tmpdir(), 'lunkit-test-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'file')

function written(text: string, mode = 0o600): string {
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

const TWO = 'alice:the secret of alice\nbob:the secret: of bob\n'
const alice = { user: 'alice', secret: 'the secret of alice' }
const bob = { user: 'bob', secret: 'the secret: of bob' }

describe('settings', () => {
  test('lists alone stay lists', async () => {
    assert.deepEqual(await readAccess({}), {})
    assert.deepEqual(await readAccess({ initiator: ['a'], allowAddress: ['10.0.0.0/8'] }), {
      initiators: ['a'],
      addresses: ['10.0.0.0/8'],
    })
  })

  test('readers come first, besides those who may write', async () => {
    const { rules } = await readAccess({ initiator: ['a'], readOnly: ['b'], allowAddress: ['10.0.0.0/8'] })
    assert.deepEqual(rules, [
      { name: 'read-only', initiators: ['b'], readonly: true, addresses: ['10.0.0.0/8'] },
      { name: 'read and write', initiators: ['a'], addresses: ['10.0.0.0/8'] },
    ])
  })

  test('trusted addresses have the same rules before all others, without CHAP', async () => {
    const { rules, chap } = await readAccess({
      chapFile: written(TWO),
      readOnlyUser: ['bob'],
      trustAddress: ['10.0.0.1'],
      readOnly: ['b'],
    })
    assert.deepEqual(chap, [alice, { ...bob, readonly: true }])
    assert.deepEqual(rules, [
      {
        name: 'trusted, read-only',
        initiators: ['b'],
        readonly: true,
        addresses: ['10.0.0.1'],
        chap: 'none',
      },
      { name: 'trusted, read and write', addresses: ['10.0.0.1'], chap: 'none' },
      { name: 'read-only', initiators: ['b'], readonly: true },
      { name: 'read and write' },
    ])
  })

  test('users and their files go together in their order, each with the secret of the target', async () => {
    const files = ['one', 'two', 'three'].map(name => join(folder, name))
    for (const [at, file] of files.entries()) writeFileSync(file, `secret number ${at}\n`)
    const { chap, discoveryChap } = await readAccess({
      chapUser: ['a', 'b'],
      chapSecretFile: files.slice(0, 2),
      mutualUser: 'target',
      mutualSecretFile: files[2]!,
      discoveryChapFile: written(TWO),
    })
    const mutual = { user: 'target', secret: 'secret number 2' }
    assert.deepEqual(chap, [
      { user: 'a', secret: 'secret number 0', mutual },
      { user: 'b', secret: 'secret number 1', mutual },
    ])
    assert.deepEqual(discoveryChap, [
      { ...alice, mutual },
      { ...bob, mutual },
    ])
  })

  test('an access file is taken as it is', async () => {
    const file = {
      addresses: ['!10.1.0.0/16'],
      groups: { few: [1, { lun: 0, as: 5, readonly: true }] },
      rules: [{ name: 'a', portals: [2, '10.0.0.1'], group: 'few', users: ['bob'] }, { chap: 'none' }],
    }
    assert.deepEqual(await readAccess({ accessFile: written(JSON.stringify(file)) }), file)
  })
})

describe('faults', () => {
  const faults: [words: RegExp, flags: AccessFlags, text?: string, mode?: number][] = [
    [/read or written by others/, { chapFile: path }, TWO, 0o640],
    [/read or written by others/, { discoveryChapFile: path }, TWO, 0o602],
    [/Line 2 .* is no account/, { chapFile: path }, 'alice:secret\nbob'],
    [/has no account/, { chapFile: path }, '# nobody\n'],
    [/cannot be read/, { chapFile: join(folder, 'absent') }],
    [/2 CHAP users and 1 files/, { chapUser: ['a', 'b'], chapSecretFile: [path] }, 'secret'],
    [/needs a user/, { chapSecretFile: [path] }, 'secret'],
    [/needs a user/, { mutualUser: 'target' }],
    [/no user that the target proves/, { chapFile: path, mutualSecretFile: path }, TWO],
    [/'a' has no secret/, { chapUser: ['a'] }],
    [/'target' has no secret/, { chapFile: path, mutualUser: 'target' }, TWO],
    [/carol is no CHAP user/, { chapFile: path, readOnlyUser: ['carol'] }, TWO],
    [/says nothing where nobody is asked/, { trustAddress: ['10.0.0.1'] }],
    [/both say who may log in/, { accessFile: path, readOnly: ['a'] }, '{}'],
    [/cannot be read/, { accessFile: join(folder, 'absent') }],
    [/is not JSON/, { accessFile: path }, '{'],
    [/the file is not an object/, { accessFile: path }, '[]'],
    [/'rule' of the file is not one of initiators/, { accessFile: path }, '{"rule":[]}'],
    [/'toString' of the file is not one of/, { accessFile: path }, '{"toString":[]}'],
    [/rule 1 is not an object/, { accessFile: path }, '{"rules":[1]}'],
    [/'hide' of rule 1 is not true or false/, { accessFile: path }, '{"rules":[{"hide":1}]}'],
    [/'chap' of rule 1 is not "none"/, { accessFile: path }, '{"rules":[{"chap":{"user":"a"}}]}'],
    [/'readonly' of rule 2 is not true/, { accessFile: path }, '{"rules":[{},{"readonly":["1"]}]}'],
    [/'initiators' of rule 1 is not a list/, { accessFile: path }, '{"rules":[{"initiators":"a"}]}'],
    [/group 'a' is not a list/, { accessFile: path }, '{"groups":{"a":1}}'],
    [/without 'lun'/, { accessFile: path }, '{"groups":{"a":[{"as":1}]}}'],
  ]
  for (const [words, flags, text, mode] of faults) {
    const skip = mode !== undefined && process.platform === 'win32'
    test(`${words.source} of ${Object.keys(flags)}: ${text ?? ''}`, { skip }, async () => {
      if (text !== undefined) written(text, mode)
      await assert.rejects(readAccess(flags), error => {
        assert.ok(error instanceof UsageError)
        assert.match(error.message, words)
        assert.doesNotMatch(error.message, /the secret/)
        assert.notEqual(error.hint, '')
        return true
      })
    })
  }
})
