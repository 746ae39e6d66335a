// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143, section 13 and appendix C: each text key, and SendTargets.
import { type Rule, section } from './rule.ts'

const NO_EXTENSION = 'there is no extension digest here'
const TAG_ZERO =
  'the tag is the relative port identifier as well, and SPC keeps zero of those: groups here begin at 1'

export const KEY_RULES: readonly Rule[] = [
  ...section(
    '13',
    [
      'initiator',
      'Keys that hold for the session go on its first connection alone, and end the login if they come on another.',
    ],
    ['target', 'Keys for the leading connection alone are refused on others, and change nothing there.'],
    ['target', 'Keys for full feature phase are refused in login.'],
  ),
  ...section(
    '13.1',
    ['target', 'Digests: of the values offered the first of None and CRC32C.'],
    ['target', 'With CRC32C every PDU of full feature phase has its digest, in both directions.'],
    ['both', 'CRC32C gives the values that are known for it.'],
    [
      'both',
      'Extension digests have names of the form that is set for them, and are offered beside CRC32C.',
      NO_EXTENSION,
    ],
    ['initiator', 'Digests: of the values offered one; what is in force without an answer is None.'],
    ['initiator', 'With CRC32C every PDU of full feature phase has its digests, in both directions.'],
  ),
  ...section(
    '13.2',
    ['target', 'MaxConnections: the smaller one.'],
    ['initiator', 'MaxConnections: an answer of up to what was offered.'],
  ),
  ...section(
    '13.3',
    ['target', 'SendTargets is served in discovery sessions.'],
    ['target', 'SendTargets=All is not served in normal sessions.'],
    ['initiator', 'SendTargets goes in full feature phase.'],
  ),
  ...section(
    '13.4',
    ['target', 'TargetName comes with the first request of a normal login.'],
    ['initiator', 'TargetName goes with the first request of a normal login, and not again.'],
    ['target', 'A target sends it in answers to SendTargets alone.'],
  ),
  ...section(
    '13.5',
    ['target', 'InitiatorName comes with the first request of every login.'],
    ['initiator', 'InitiatorName goes with the first request of every login, and not again.'],
  ),
  ...section('13.6', ['target', 'TargetAlias is declared, and no initiator sends it.']),
  ...section(
    '13.8',
    ['target', 'An IPv6 address stands in brackets, with port and portal group behind it.'],
    ['target', 'An address in a redirection has no portal group.'],
    ['target', 'An address in an answer to SendTargets has one.'],
    ['initiator', 'Addresses are names, IPv4 or IPv6 addresses, with and without a port and a tag.'],
    ['initiator', 'An address without a port means 3260.'],
  ),
  ...section(
    '13.9',
    ['target', 'The first whole answer to a login with a TargetName tells the portal group tag.'],
    ['initiator', 'Zero is a tag of a portal group.'],
    ['target', 'A portal group may have tag zero.', TAG_ZERO],
  ),
  ...section(
    '13.10',
    ['target', 'InitialR2T: Yes if one of both says so.'],
    ['target', 'With InitialR2T=Yes no data but immediate data comes without an R2T.'],
    ['initiator', 'InitialR2T: Yes if one of both says so, also without an answer to Yes.'],
    ['initiator', 'Data-Out PDUs go unasked only where InitialR2T is No, whatever ImmediateData is.'],
    ['initiator', 'Data goes with a command only where ImmediateData is Yes, whatever InitialR2T is.'],
  ),
  ...section(
    '13.11',
    ['target', 'ImmediateData: Yes if both say so.'],
    ['target', 'With ImmediateData=No no data comes with a command.'],
    ['target', 'Of the four combinations with InitialR2T each allows its own kinds of unsolicited data.'],
    ['initiator', 'ImmediateData: Yes if both say so; No, offered, needs no answer.'],
  ),
  ...section(
    '13.12',
    ['target', 'MaxRecvDataSegmentLength is declared by each side for itself, from 512 to 16777215.'],
    ['target', 'What is sent keeps to what the other side has declared, or to 8192.'],
    ['initiator', 'No PDU is longer than the target has declared, or than 8192.'],
    ['initiator', 'A PDU that is longer than what was declared ends the connection.'],
  ),
  ...section(
    '13.13',
    ['target', 'MaxBurstLength: the smaller one.'],
    ['target', 'No sequence of Data-In or R2T is longer.'],
    ['initiator', 'MaxBurstLength: an answer of up to what was offered, and from 512.'],
    ['initiator', 'No sequence of Data-Out is longer; an R2T for more ends the connection.'],
  ),
  ...section(
    '13.14',
    ['target', 'FirstBurstLength: the smaller one.'],
    ['target', 'FirstBurstLength is not above MaxBurstLength.'],
    ['target', 'FirstBurstLength is irrelevant where no unsolicited data is allowed.'],
    ['initiator', 'FirstBurstLength: an answer of up to what was offered, and from 512.'],
    ['initiator', 'FirstBurstLength is not above MaxBurstLength, in the offer or in force.'],
    ['initiator', 'Immediate and unsolicited data together are no longer.'],
  ),
  ...section(
    '13.15',
    ['target', 'DefaultTime2Wait: the larger one.'],
    ['initiator', 'DefaultTime2Wait: an answer of what was offered or more.'],
  ),
  ...section(
    '13.16',
    ['target', 'DefaultTime2Retain: the smaller one.'],
    ['initiator', 'DefaultTime2Retain: an answer of up to what was offered.'],
  ),
  ...section(
    '13.17',
    ['target', 'MaxOutstandingR2T: the smaller one.'],
    ['target', 'No more R2Ts are outstanding for a command.'],
    ['target', 'It is 1 above ErrorRecoveryLevel 0 with data sequences in order.'],
    [
      'target',
      'An R2T is outstanding until the last of its data; data that comes unasked does not count as one.',
    ],
    ['initiator', 'MaxOutstandingR2T: an answer of up to what was offered.'],
    ['initiator', 'Above level 0 one R2T at a time is offered.'],
  ),
  ...section(
    '13.18',
    ['target', 'DataPDUInOrder: Yes if one of both says so.'],
    ['target', 'With Yes the PDUs of a sequence follow each other without gap or overlap.'],
    ['initiator', 'DataPDUInOrder: Yes is offered, so that nothing but Yes is an answer.'],
    ['initiator', 'With Yes the PDUs of a sequence follow each other without gap or overlap.'],
    ['initiator', 'The PDUs of a sequence of Data-Out follow each other without gap or overlap.'],
    ['initiator', 'Data-In that does not follow on what came before ends the connection.'],
  ),
  ...section(
    '13.19',
    ['target', 'DataSequenceInOrder: Yes if one of both says so.'],
    ['target', 'With Yes no sequence of a command begins before the one that came before it.'],
    ['target', 'Above level 0, with Yes, no R2T but the last one is sent again.'],
    ['initiator', 'DataSequenceInOrder: Yes is offered, so that nothing but Yes is an answer.'],
    [
      'initiator',
      'The sequences of Data-Out are in the order of the R2Ts, and an R2T that does not follow on ends the connection.',
    ],
  ),
  ...section(
    '13.20',
    ['target', 'ErrorRecoveryLevel: the smaller one.'],
    ['initiator', 'ErrorRecoveryLevel: an answer of up to what was offered.'],
  ),
  ...section(
    '13.21',
    ['target', 'SessionType is Normal or Discovery.'],
    ['initiator', 'A discovery session has none of the keys that it makes irrelevant.'],
    ['target', 'A discovery session has one connection.'],
    ['target', 'Each key that a discovery session makes meaningless is answered Irrelevant there.'],
    ['target', 'What kind a session is has been said when its target is named.'],
    ['initiator', 'A discovery session has one connection.'],
  ),
  ...section(
    '13.22',
    ['target', 'Private keys that are not known are answered NotUnderstood.'],
    ['initiator', 'No private key is sent.'],
    ['target', 'Private keys mean nothing in discovery sessions.'],
  ),
  ...section(
    '13.23',
    ['target', 'TaskReporting: of the values offered the first that the target knows.'],
    ['target', 'Where FastAbort is not agreed on, functions for many tasks follow the standard procedure.'],
    [
      'initiator',
      'TaskReporting is not offered, and settled on the words of the first edition where a target offers it.',
    ],
  ),
  ...section(
    '13.24',
    ['target', 'iSCSIProtocolLevel: the smaller one, from 0 to 31.'],
    ['target', 'Where nothing is said the level is 1, and nothing of RFC 7144 is there.'],
    ['initiator', 'iSCSIProtocolLevel is 1 at most.'],
  ),
  ...section(
    '13.25',
    ['target', 'Keys of markers are answered Reject (or No), never NotUnderstood.'],
    ['initiator', 'Keys of markers are not offered.'],
    ['target', 'IFMarkInt and OFMarkInt are answered Reject, never No.'],
    ['initiator', 'Keys of markers are answered Reject.'],
  ),
  ...section(
    '13.26',
    ['target', 'X#NodeArchitecture changes nothing.'],
    ['target', 'All of it together has 255 bytes at most.'],
    ['initiator', 'Nothing depends on X#NodeArchitecture.'],
  ),
  ...section(
    '14',
    [
      'initiator',
      'No extension of the public formats is used, and no private one for another purpose than its own.',
    ],
    ['target', 'Names with X# mean nothing, but for X#NodeArchitecture.'],
  ),
  ...section(
    '15',
    ['target', 'The port is 3260 where none is given, and never 860 by itself.'],
    ['initiator', 'The port is 3260 where none is named; 860 is never taken unasked.'],
    ['target', 'The methods SPKM1 and SPKM2 are not there, nor keys that begin with SPKM_.'],
  ),
  ...section(
    'C',
    ['target', 'A discovery session can be had at every portal, and serves SendTargets.'],
    [
      'target',
      'All gives every target that the initiator may use, with all its addresses and portal groups.',
    ],
    ['target', 'A name gives the addresses of that target, or nothing.'],
    ['target', 'Nothing, in a normal session, gives the target of the session and no other.'],
    ['target', 'An answer has TargetName, followed by its TargetAddress keys, and no other key.'],
    ['initiator', 'A question is one request with SendTargets and no other key.'],
    ['initiator', 'A target without an address is at the portal that was asked.'],
  ),
  ...section('13.7', ['initiator', 'InitiatorAlias is declared, and no target sends it.']),
]
