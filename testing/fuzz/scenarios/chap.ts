// SPDX-License-Identifier: Apache-2.0
// Logins to a target that wants CHAP, by peers that do not know the secret: nobody may get in.
import { Opcode, parseText } from '@lunkit/spec'
import type { Peer } from '../peer.ts'
import type { Random } from '../random.ts'
import type { Scenario } from '../scenario.ts'

const SECURITY = { csg: 0, nsg: 1, transit: 0 }
type Pairs = Readonly<Record<string, string>>

/** Sends one request of the security stage; the answer's pairs, or null if there is none. */
async function ask(
  peer: Peer,
  pairs: Pairs,
  fields: Readonly<Record<string, number>> = {},
): Promise<Pairs | null> {
  const from = peer.answers.length
  peer.send(peer.loginRequest({ ...SECURITY, ...fields }, pairs))
  const answer = await peer.answer(({ opcode }) => opcode === Opcode.loginResponse, 10_000, from)
  const text = answer === null ? null : parseText(answer.data)
  if (text === null || !text.ok) return null
  return Object.fromEntries(text.pairs.map(({ key, value }) => [key, value]))
}

/** As far as the target's challenge. */
async function challenged(peer: Peer, random: Random): Promise<Pairs> {
  await ask(peer, { ...peer.names(), AuthMethod: random.pick(['CHAP', 'CHAP,None', 'SRP,CHAP']) })
  const challenge = await ask(peer, { CHAP_A: random.pick(['5', '7', '5,6,7,8', '8,5']) })
  if (challenge?.['CHAP_C'] === undefined) throw new Error('Good start of CHAP got no challenge')
  return challenge
}

/** One wrong answer to the challenge. */
const wrong = (name: string, make: (random: Random, challenge: Pairs) => Pairs): Scenario => ({
  name,
  owed: 'login',
  needs: 'chap',
  async run(peer, random) {
    const pairs = make(random, await challenged(peer, random))
    peer.send(peer.loginRequest({ ...SECURITY, transit: random.range(0, 1) }, pairs))
  },
})

const hexOf = (random: Random, length: number): string => `0x${random.bytes(length).toString('hex')}`
/** Length of a digest by CHAP_A. */
const DIGEST: Readonly<Record<string, number>> = { 5: 16, 6: 16, 7: 20, 8: 32 }
const digestOf = (random: Random, challenge: Pairs): string =>
  hexOf(random, DIGEST[challenge['CHAP_A']!] ?? 16)

export const CHAP: readonly Scenario[] = [
  wrong('wrong CHAP response', (random, challenge) => ({
    CHAP_N: 'fuzz',
    CHAP_R: digestOf(random, challenge),
  })),
  wrong('CHAP response of another length', random => ({
    CHAP_N: 'fuzz',
    CHAP_R: random.pick([hexOf(random, 1), hexOf(random, 15), hexOf(random, 1024), '0x', '0b', '0bAAAA', '']),
  })),
  wrong('CHAP response by somebody else', (random, challenge) => ({
    CHAP_N: random.pick(['', 'somebody', 'f'.repeat(255), 'fuzz ']),
    CHAP_R: digestOf(random, challenge),
  })),
  wrong('CHAP without a name', (random, challenge) => ({ CHAP_R: digestOf(random, challenge) })),
  wrong('CHAP without a response', () => ({ CHAP_N: 'fuzz' })),
  wrong("the target's challenge sent back", (random, challenge) => ({
    CHAP_N: 'fuzz',
    CHAP_R: random.chance(0.5) ? challenge['CHAP_C']! : digestOf(random, challenge),
    CHAP_I: challenge['CHAP_I']!,
    CHAP_C: challenge['CHAP_C']!,
  })),
  wrong('keys of operation instead of a response', () => ({ HeaderDigest: 'None', CHAP_A: '5' })),
  {
    name: 'operation without CHAP',
    owed: 'login',
    needs: 'chap',
    run: peer => peer.send(peer.loginRequest({}, peer.names())),
  },
  {
    name: 'no method where CHAP is wanted',
    owed: 'login',
    needs: 'chap',
    async run(peer, random) {
      const pairs = { ...peer.names(), AuthMethod: random.pick(['None', 'KRB5', 'KRB5,SRP']) }
      const answer = await ask(peer, pairs, { transit: random.range(0, 1) })
      if (answer !== null) peer.send(peer.loginRequest({ csg: 1, nsg: 3 }, {}))
    },
  },
  {
    name: 'algorithm that does not exist',
    owed: 'login',
    needs: 'chap',
    async run(peer, random) {
      await ask(peer, { ...peer.names(), AuthMethod: 'CHAP' })
      peer.send(
        peer.loginRequest(SECURITY, { CHAP_A: random.pick(['99', '0', '-5', '5.5', '1,2,3', 'MD5', '']) }),
      )
    },
  },
  {
    name: 'CHAP left out half-way',
    owed: 'login',
    needs: 'chap',
    async run(peer, random) {
      if (random.chance(0.5)) await challenged(peer, random)
      else await ask(peer, { ...peer.names(), AuthMethod: 'CHAP' })
      peer.send(peer.loginRequest({ csg: 1, nsg: 3 }, { HeaderDigest: 'None' }))
    },
  },
  {
    name: 'response before the challenge',
    owed: 'login',
    needs: 'chap',
    run(peer, random) {
      const answer = { CHAP_A: '5', CHAP_N: 'fuzz', CHAP_R: hexOf(random, 16) }
      peer.send(peer.loginRequest(SECURITY, { ...peer.names(), AuthMethod: 'CHAP', ...answer }))
    },
  },
]
