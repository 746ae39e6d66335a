// SPDX-License-Identifier: Apache-2.0
// The example of docs/cookbook/access.md: accounts, rules and groups, changed while the target runs.
import { createTarget, memory } from 'lunkit/target'

const alice = { user: 'alice', secret: 'a secret of 12 bytes or more' }
const bob = { user: 'bob', secret: 'another one of that kind' }

await using target = await createTarget({
  luns: [memory('64M'), memory('64M')],
  chap: [alice, { ...bob, readonly: true }],
  groups: { backup: [{ lun: 1, as: 0, readonly: true }] },
  rules: [
    { name: 'guests', initiators: ['iqn.*:guest*'], hide: true },
    {
      name: 'backup',
      initiators: ['iqn.*:backup'],
      addresses: ['10.1.0.0/16'],
      group: 'backup',
      chap: 'none',
    },
    { name: 'all others', addresses: ['127.0.0.0/8', '10.0.0.0/8', '!10.1.0.0/16'] },
  ],
})

const [seen] = target.explain({ initiator: 'iqn.2026-11.org.example:backup', address: '10.1.2.3' })
console.log(seen!.visible, seen!.rule, seen!.luns) // true, 'rule 2 (backup)', [{ lun: 0, readonly: true }]

const changed = await target.setAccess({ chap: alice, addresses: ['127.0.0.0/8'] })
console.log(changed) // sessions that were ended, and why, or that see something else now
