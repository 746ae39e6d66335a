// SPDX-License-Identifier: Apache-2.0
// Names and addresses as the initiator sends and takes them, and its one question in discovery.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { discover, openSession, type SessionEvent } from '@lunkit/initiator-driver-iscsi'
import { BHS, Opcode, RESERVED_TAG, TEXT_RESPONSE } from '@lunkit/spec'
import {
  NAME,
  pairsOf,
  ScriptedTarget,
} from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'

describe('discovery', () => {
  const answering = (answer: string): Promise<ScriptedTarget> =>
    ScriptedTarget.logsIn((pdu, peer) => {
      const fields = { opcode: Opcode.textResponse, final: 1, itt: pdu.itt, ttt: RESERVED_TAG }
      peer.sendStatus(TEXT_RESPONSE, fields, Buffer.from(answer))
    })

  // Requirement: RFC 7143, 6.4/7 and 13.3/3 and 13.21/6 and C/6.
  test('SendTargets is the one key of one request, after login', async () => {
    await using target = await answering(`TargetName=${NAME}\0`)
    await discover(target.portal)
    const requests = target.heard.filter(({ opcode }) => opcode !== Opcode.loginRequest)
    assert.deepEqual(
      requests.map(({ opcode, data }) => [opcode, data.toString()]),
      [
        [Opcode.textRequest, 'SendTargets=All\0'],
        [Opcode.logoutRequest, ''],
      ],
    )
    assert.equal(target.peers.length, 1)
    assert.equal(BHS.field.final.get(requests[0]!.header, 0), 1)
    for (const { data } of target.heard.slice(0, -2)) assert.ok(!data.includes('SendTargets'))
  })

  // Requirement: RFC 7143, 13.8/4 and 13.9/2 and C/7.
  test('addresses: names, IPv4 and IPv6, with and without port and tag; without any, the portal that was asked', async () => {
    const addresses = {
      '10.0.0.1': ['10.0.0.1', 3260, null],
      '10.0.0.1,0': ['10.0.0.1', 3260, 0],
      '10.0.0.1:860,65535': ['10.0.0.1', 860, 65_535],
      '[fe80::1],3': ['fe80::1', 3260, 3],
      '[2001:db8::1]:3261,1': ['2001:db8::1', 3261, 1],
      'host.example.org,2': ['host.example.org', 3260, 2],
      'host.example.org:3262': ['host.example.org', 3262, null],
    } as const
    const lines = Object.keys(addresses).map(address => `TargetAddress=${address}\0`)
    await using target = await answering(`TargetName=${NAME}\0${lines.join('')}TargetName=${NAME}.2\0`)
    const [first, second] = await discover(target.portal)
    assert.deepEqual(
      first!.portals.map(({ host, port, group }) => [host, port, group]),
      Object.values(addresses),
    )
    assert.deepEqual(second!.portals, [{ host: '127.0.0.1', port: target.port, group: null }])
    for (const address of [
      '10.0.0.1:0',
      '10.0.0.1:65536',
      '10.0.0.1,65536',
      'fe80::1:3260,1,',
      '[10.0.0.1]',
      '',
    ]) {
      await using odd = await answering(`TargetName=${NAME}\0TargetAddress=${address}\0`)
      await assert.rejects(discover(odd.portal), { code: 'TRANSPORT_PROTOCOL' }, address)
    }
  })
})

// Requirement: RFC 7143, 4.2.7/4 and 13.4/2.
test('names go out in their normal form, up to 223 bytes of them', async () => {
  const long = `iqn.2000-01.org.example:${'ü'.repeat(99)}x`
  assert.equal(Buffer.byteLength(long), 223)
  for (const [given, sent] of [
    ['IQN.2000-01.Org.Example:Disk', 'iqn.2000-01.org.example:disk'],
    ['iqn.2000-01.org.example:u\u0308', 'iqn.2000-01.org.example:ü'],
    ['EUI.02004567A425678D', 'eui.02004567a425678d'],
    [long.toUpperCase().replace('IQN', 'iqn'), long],
  ] as const) {
    await using target = await ScriptedTarget.logsIn(() => {})
    await (await openSession({ ...target.options, target: given, initiatorName: given })).close()
    const first = pairsOf(target.heard[0]!)
    assert.deepEqual([first.get('TargetName'), first.get('InitiatorName')], [sent, sent])
  }
  for (const given of [
    'disk',
    `${long}x`,
    'iqn.2000-13.org.example',
    'iqn.2000-01.org.example:a b',
    'eui.1',
  ]) {
    for (const option of ['target', 'initiatorName']) {
      const options = { portal: '127.0.0.1:1', target: NAME, [option]: given }
      await assert.rejects(openSession(options), { code: 'OPTION_INVALID' }, given)
    }
  }
})

// Requirement: RFC 7143, 15/2 and 13.8/5.
test('the port is 3260 where none is named, and 860 never comes unasked', async () => {
  await using target: ScriptedTarget = await ScriptedTarget.start((pdu, peer) => {
    peer.answerLogin(pdu, { statusClass: 1, statusDetail: 1 }, Buffer.from('TargetAddress=127.0.0.1,1\0'))
  })
  const portals: string[] = []
  const onEvent = (event: SessionEvent): void => {
    if (event.type === 'redirected') portals.push(`${event.portal.host}:${event.portal.port}`)
  }
  await openSession({ ...target.options, onEvent, loginTimeoutMs: 2000 }).then(
    session => session.close(),
    () => undefined,
  )
  assert.deepEqual(portals, ['127.0.0.1:3260'])
})
