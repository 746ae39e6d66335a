// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143, 6.1 to 6.4 and 11.10 to 11.15: texts, negotiation, login, text requests and logout.
import { type Rule, section } from './rule.ts'

const REAL_INITIATORS =
  'a name declared again with the same value is taken: real initiators repeat theirs in the next stage, and it changes nothing'

const NO_NUMBER =
  'the project has neither of them, so its ISIDs are random; one that has can give ISIDs made from its own'

export const LOGIN: readonly Rule[] = [
  ...section(
    '6.1',
    ['both', 'Key names are compared letter by letter: small and capital letters differ.'],
    ['both', 'Key names have up to 63 bytes.'],
    ['both', 'Numbers are decimal or hexadecimal; 0x and 0X and digits of both cases mean the same.'],
    ['both', 'Each pair ends with a zero byte, and a pair may be cut by the end of a PDU.'],
    ['both', 'Values that are not said to be longer have up to 255 bytes.'],
    ['both', 'A text that is none is a fault.'],
    ['both', 'Large binary values may be hexadecimal or Base64.'],
    [
      'initiator',
      'Names of its keys begin with a capital letter, its numbers have their form, its values at most 255 bytes.',
    ],
    [
      'target',
      'Names of keys begin with a capital letter, but for iSCSIProtocolLevel, which RFC 7144 calls so.',
    ],
    ['both', 'A number from 2^64 on is no value.'],
    ['both', 'A range goes upward.'],
    [
      'both',
      'A hexadecimal binary has four bits for each digit: of an odd number the first is a byte alone.',
    ],
  ),
  ...section(
    '6.2',
    ['target', 'A key that is not known is answered NotUnderstood.'],
    ['target', 'No key of the standard is answered NotUnderstood.'],
    ['target', 'Of a list the first value that suits is the answer.'],
    ['target', 'A list of which nothing suits is answered Reject.'],
    ['target', 'A number is answered by the rule of its key.'],
    ['target', 'A value out of range is answered Reject or by one that is in range.'],
    ['target', 'A boolean is answered by the rule of its key.'],
    ['target', 'What is refused leaves the key as it was.'],
    [
      'target',
      'A request that goes on (C=1) is answered by an empty response, and the text counts as a whole.',
    ],
    ['target', 'C together with T or F is a fault.'],
    ['target', 'A text of 8192 bytes and more is taken; here of 64 KiB.'],
    ['target', 'A key that another has made meaningless is answered Irrelevant.'],
    ['target', 'While its answer goes on, the target is only asked for more.'],
    ['target', 'Reject, Irrelevant and NotUnderstood are answers: as an offer each is a protocol error.'],
    ['target', 'A value of a list that is not known is passed over.'],
    ['initiator', 'A response that goes on (C=1) is answered by an empty request.'],
    [
      'initiator',
      'An answer that was not offered, or is outside of the rule of its key, is a protocol error.',
    ],
    [
      'initiator',
      'NotUnderstood for a key of the standard is a protocol error; for one that is younger than its first edition the default holds.',
    ],
    ['initiator', 'A key of the target that is not known is answered NotUnderstood.'],
    [
      'initiator',
      'A target may do without a key: what it refuses, calls irrelevant or need not understand keeps its default.',
    ],
    ['initiator', 'An offer of the target is answered by the rule of its key, or by Reject.'],
    [
      'initiator',
      'A text that goes on is sent in pieces, and nothing but an empty answer comes between them.',
    ],
    [
      'initiator',
      'Where the default of a key that was not agreed on is none of the values offered, the login ends.',
    ],
    ['initiator', 'The next request goes when the last one has been answered.'],
    ['target', 'There is one Text or Login Response to each request, and none goes out unasked.'],
    [
      'target',
      'Results rest on what was exchanged on the connection: what was not negotiated has its default, whatever another connection has.',
    ],
    ['target', 'A stage of login, or a text exchange, that fails changes nothing.'],
    [
      'target',
      'Rules between keys are checked when all keys of a text are known, whatever order they came in.',
    ],
    ['initiator', 'A text of 8192 bytes and more is taken.'],
  ),
  ...section(
    '6.2.1',
    ['target', 'None is an answer only where it was offered.'],
    ['target', 'An answer of the initiator to what was not offered is a protocol error.'],
  ),
  ...section(
    '6.2.2',
    ['initiator', 'A boolean is settled without an answer where the strict value was offered.'],
    [
      'initiator',
      'An answer is one of the values, or within the range, that was offered; a boolean keeps to its rule.',
    ],
    ['target', 'A range is answered by a number within it, or by Reject.'],
  ),
  ...section(
    '6.3',
    ['target', 'Before the first Login Request every other PDU closes the connection without an answer.'],
    ['target', 'Once login has begun, another PDU is answered by a login reject, and the connection closes.'],
    ['target', 'A key that is negotiated a second time ends the login as an error of the initiator.'],
    ['target', 'The stages come in their order, and none comes again.'],
    ['target', 'A target that needs authentication refuses a login that leaves out the security stage.'],
    ['target', 'A login that fails has a status of its class, and the connection closes.'],
    [
      'target',
      'Full feature phase begins when both sides have agreed to it, with the results of the negotiation.',
    ],
    ['target', 'The same declaration a second time is refused.', REAL_INITIATORS],
    ['target', 'A Login Request after login is a protocol error.'],
    ['initiator', 'Another PDU than a Login Response ends the login.'],
    ['initiator', 'A login that negotiates a key twice ends by the connection.'],
    ['target', 'A response with T=1 has no key that needs an answer.'],
    ['initiator', 'A key that comes outside of its stage ends the login.'],
    [
      'initiator',
      'A response ends a stage only if the request asked for it, and leads to the stage that was named.',
    ],
    ['initiator', 'It sends no key twice in one login.'],
    ['target', 'A key that may not come in the stage ends the login as an error of the initiator.'],
    ['target', 'Keys of authentication are settled in login: after it they are refused.'],
    ['target', 'The response that ends a login answers a request that asked for full feature phase.'],
    [
      'target',
      'A declaration that comes again, and is no name, ends the login as an error of the initiator.',
    ],
  ),
  ...section(
    '6.3.1',
    ['target', 'The first whole answer of a login tells the portal group, in discovery as well.'],
    [
      'target',
      'ISID, TSIH and CID decide: a new session, another connection, a connection that takes a place, or no such session.',
    ],
  ),
  ...section(
    '6.3.2',
    [
      'target',
      'Methods of which none suits are answered Reject, and the login ends as a failure of authentication.',
    ],
    [
      'target',
      'A login that goes straight from the security stage into full feature phase gets its TSIH as well.',
    ],
  ),
  ...section(
    '6.3.4',
    ['target', 'A login with the CID of a connection of the session logs that out and takes its place.'],
    ['target', 'A login with the TSIH of a session joins it, up to MaxConnections, and gets that TSIH.'],
    ['target', 'At level 2 the one connection of a session can be replaced although there may be no other.'],
    ['target', 'Below level 2 the tasks of a connection that is replaced end, and none of them is answered.'],
    [
      'initiator',
      'The CID of a connection is taken again only where that one has failed, with the TSIH of the session.',
    ],
  ),
  ...section(
    '6.3.5',
    [
      'target',
      'A login with the names and the ISID of a session and TSIH zero ends that session and its tasks.',
    ],
    ['target', 'The new session begins when the tasks of the old one have ended.'],
    [
      'initiator',
      'A session takes the place of another only where that one has failed, with its ISID and TSIH zero.',
    ],
  ),
  ...section('6.3.6', [
    'target',
    'At level 2 a session goes on with a new connection after it has lost its last one.',
  ]),
  ...section(
    '6.4',
    ['target', 'A key that is negotiated twice in a text exchange is rejected as a protocol error.'],
    ['target', 'A new exchange takes the place of one that was not ended.'],
    ['target', 'Keys of login are not negotiated in full feature phase.'],
    ['target', 'What a text exchange has settled holds from its end.'],
    ['target', 'A response with F=1 has no key that needs an answer.'],
    ['initiator', 'An answer with a key twice ends the exchange and the connection.'],
    ['initiator', 'A text request that is whole has F=1.'],
  ),
  ...section(
    '11.10',
    ['target', 'A request that belongs to no exchange is rejected.'],
    ['target', 'A request with the reserved tag is rejected.'],
    ['initiator', 'All requests of an exchange have one task tag and one I bit.'],
    ['target', 'An exchange belongs to its connection, and ends with it.'],
  ),
  ...section(
    '11.11',
    ['target', 'F=1 only answers F=1.'],
    ['target', 'A response with F=1 has the reserved transfer tag, one with F=0 another.'],
    ['target', 'C=1 comes with F=0.'],
    ['target', 'The response has the tag of its request.'],
    ['target', 'A response is no longer than the initiator takes.'],
    ['target', 'A response with a transfer tag has the LUN that goes with it.'],
  ),
  ...section(
    '11.12',
    ['target', 'The version is taken from the first request; one that is not supported is refused.'],
    ['target', 'All requests of one login have the same ISID, TSIH, CID and tag.'],
    ['target', 'A login of the leading connection names its initiator; without a name it is refused.'],
    ['target', 'A normal login names its target; without a name it is refused.'],
    ['target', 'A TSIH of a session that is not there is refused.'],
    [
      'initiator',
      'All requests of one login carry the same CmdSN, which is that of the first numbered request.',
    ],
    ['initiator', 'A request whose text goes on does not ask for the next stage.'],
    ['initiator', 'The lowest and the highest version of every request are 0.'],
    [
      'initiator',
      'The type bits of the ISID are those of its naming authority, and what is reserved in it is zero.',
    ],
    ['initiator', 'An ISID can be given, and is the same in every login.'],
    [
      'initiator',
      'The TSIH is 0 where a session begins, and that of the session where a connection joins it.',
    ],
    ['initiator', 'ISID, TSIH, CID and tag stay the same in a login.'],
    ['initiator', 'The first request names the initiator, and the target or the kind of session.'],
    ['initiator', 'No key of the standard is answered NotUnderstood.'],
    [
      'initiator',
      'Who has an OUI or an enterprise number makes ISIDs from it, in network byte order.',
      NO_NUMBER,
    ],
  ),
  ...section(
    '11.13',
    ['target', 'T=1 only answers T=1, and the stage is the one that was asked for.'],
    ['target', 'All responses of a login carry the same versions.'],
    ['target', 'StatSN counts from the first response on, over the end of login.'],
    ['target', 'The last response of a new session has a TSIH that is not zero and not another session’s.'],
    ['target', 'Response and request have the same ISID, tag and current stage.'],
    ['target', 'A status that is no success comes with T=0.'],
    ['target', 'A redirection names the addresses to go to, and the connection closes.'],
    ['target', 'Unknown target, forbidden target, missing key, wrong version: each has its status.'],
    ['initiator', 'The version of the first response holds for the whole login; another than 0 ends it.'],
    ['initiator', 'After a status class other than 0 the connection is closed.'],
    ['initiator', 'A redirection is followed, also after authentication.'],
    ['target', 'The TSIH of a new session is told in the response that ends its login, and in no other.'],
    ['target', 'A response whose text goes on has T=0.'],
  ),
  ...section(
    '11.14',
    ['target', 'A logout of the session ends all its tasks.'],
    ['target', 'A logout of the one connection ends the session.'],
    ['target', 'After the response nothing more is sent, and the connection closes.'],
    ['target', 'A logout of one of several connections ends its tasks first, and the session goes on.'],
    [
      'target',
      'After a logout for recovery, requests of the connection that had to wait for their turn may come elsewhere.',
    ],
    ['initiator', 'After a logout nothing more is sent on the connection.'],
    [
      'target',
      'A logout of a connection that has been lost ends what is left of it; it may come on any other connection.',
    ],
    ['initiator', 'After a logout of the session no connection of it has a new request.'],
    ['initiator', 'After the response the initiator closes the connection, or all of the session, whole.'],
    ['initiator', 'Recovery of a connection begins by its logout, or by a login of its CID.'],
  ),
  ...section('11.14.5', [
    'target',
    'Where tasks ended by a logout, by reinstatement or by time, the next command of their nexus is told so once: unit attention 47h/7Fh.',
  ]),
  ...section(
    '11.15',
    ['target', 'A logout of a connection that is not there is answered as such.'],
    ['target', 'A logout for recovery below ErrorRecoveryLevel 2 is answered as not supported.'],
    ['target', 'A logout for recovery at level 2 lets another connection take over the commands.'],
    ['target', 'Where Time2Retain is zero, nothing is left to take over after a logout for recovery.'],
    ['initiator', 'After a logout the initiator closes the connection of the CID, or all of the session.'],
  ),
  ...section('11.14.2', ['initiator', 'A logout has neither an additional header nor data.']),
  ...section('6.3.3', ['initiator', 'A request that has nothing more to settle asks for the next stage.']),
]
