// SPDX-License-Identifier: Apache-2.0
// Several connections that claim to be one initiator port.
import { read10, somewhere } from '../cdb.ts'
import { Peer } from '../peer.ts'
import type { Scenario } from '../scenario.ts'

export const SESSIONS: readonly Scenario[] = [
  {
    name: 'the same initiator port twice',
    owed: 'echo',
    async run(peer, random) {
      const older = await Peer.open(peer.place, peer.initiator)
      try {
        await older.login()
        for (let i = random.range(0, 8); i > 0; i--) {
          older.send(older.command(read10(somewhere(random, 64), 64), { read: true, expected: 32_768 }).pdu)
        }
        await peer.login()
        if (!(await older.untilClosed(10_000))) throw new Error('Replaced session was not closed')
        if (older.complaints.length > 0) throw new Error(older.complaints[0])
      } finally {
        older.leave()
      }
    },
  },
  {
    name: 'another target with the same initiator port, which does not exist',
    owed: 'echo',
    async run(peer) {
      await peer.login()
      const other = await Peer.open(peer.place, peer.initiator)
      try {
        other.send(other.loginRequest({}, { ...other.names(), TargetName: 'iqn.2026-11.org.example:nobody' }))
        if (!(await other.untilClosed(10_000))) throw new Error('Refused login was not closed')
      } finally {
        other.leave()
      }
    },
  },
]
