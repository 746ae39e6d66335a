// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143, sections 9 and 12: authentication.
import { type Rule, section } from './rule.ts'

const IPSEC = 'IPsec belongs to the system below: it is set up there, and nothing of it is in this program'
const NOT_OFFERED = 'the method is not offered; AuthMethod settles on CHAP or None'
const NO_EXTENSION = 'there is no extension method and no extension digest here'
const TWO_NODES =
  'target and initiator are programs of their own here, each with its own secrets: none is read by both'

const WISHED =
  'who names algorithms without MD5 does so to keep it out: to offer it all the same would be to weaken the login unasked'

export const SECURITY: readonly Rule[] = [
  ...section('9.1', ['both', 'IPsec is there beside the authentication in login.', IPSEC]),
  ...section(
    '9.2',
    [
      'target',
      'Keys or values that do not fit their step are an error of the initiator, or a missing parameter.',
    ],
    ['target', 'A response that is wrong by its content is a failure of authentication.'],
    ['initiator', 'An answer that does not fit its step ends the connection.'],
    ['initiator', 'No secret goes over the wire.'],
    ['target', 'A response that is left out is a missing parameter, and the target gives none of its own.'],
    ['target', 'No password goes over the wire, whatever method is agreed on.'],
  ),
  ...section(
    '9.2.1',
    ['both', 'CHAP is there, with authentication of the target as well.'],
    ['both', 'Secrets of up to 128 random bits are taken.'],
    ['both', 'Secrets of 128 random bits can be made, and none are made in another way.'],
    ['both', 'One secret is not for both directions.'],
    ['target', 'A response that the target itself would have given is a failure of authentication.'],
    ['target', 'A challenge that comes back as the challenge of the initiator closes the connection.'],
    ['both', 'With a secret of less than 96 random bits the connection is encrypted.', IPSEC],
    [
      'initiator',
      'A target that answers as the initiator itself would have fails, and the connection closes.',
    ],
    ['initiator', 'Its challenge is never that of the target.'],
    ['target', 'A secret is whole bytes.'],
    [
      'target',
      'No secret proves an initiator and a target, over all targets, their rules, discovery and all ports.',
    ],
    ['both', 'A process that is initiator and target has other secrets and users for each.', TWO_NODES],
    ['initiator', 'A secret is whole bytes.'],
  ),
  ...section('9.2.2', ['both', 'SRP uses groups of at least 768 bits.', NOT_OFFERED]),
  ...section('9.2.3', ['both', 'Kerberos V5 messages are verified.', NOT_OFFERED]),
  ...section('9.3', ['both', 'IPsec protects packets.', IPSEC]),
  ...section(
    '9.4',
    ['initiator', 'X#NodeArchitecture is not sent.'],
    ['target', 'Nobody is told X#NodeArchitecture: there is nothing to switch off.'],
    ['target', 'What an initiator tells by it is in no log.'],
  ),
  ...section(
    '12',
    ['initiator', 'Operational keys come after the security stage; there they end the login.'],
    ['target', 'A key of the operational stage is refused in the security stage.'],
    ['target', 'In the security stage the target has no other keys than those that may come there.'],
  ),
  ...section(
    '12.1',
    ['target', 'Of the methods offered the first that suits is taken; if none suits the login fails.'],
    [
      'target',
      'Where nobody needs to prove anything, AuthMethod is answered None, and keys of CHAP are refused.',
    ],
    ['initiator', 'CHAP begins with the request that follows the choice of the method.'],
    [
      'initiator',
      'What it offers is CHAP and None, in this order, and CHAP alone where the target has to prove itself.',
    ],
    ['initiator', 'A method that was not offered ends the login.'],
    [
      'both',
      'Extension methods, and their keys, have names of the form that is set for them, and are offered beside CHAP.',
      NO_EXTENSION,
    ],
  ),
  ...section('12.1.1', ['both', 'Kerberos.', NOT_OFFERED]),
  ...section('12.1.2', ['both', 'SRP.', NOT_OFFERED]),
  ...section(
    '12.1.3',
    ['target', 'CHAP_A is answered by one of the algorithms offered, with an identifier and a challenge.'],
    ['target', 'If no algorithm suits, authentication has failed.'],
    ['target', 'A right name and response open the way; a wrong one is a failure of authentication.'],
    ['target', 'A challenge of the initiator is answered by the name and response of the target.'],
    ['target', 'The identifier is one byte, the challenge has at most 1024 bytes.'],
    ['target', 'Binary values are taken as hexadecimal and as Base64.'],
    ['target', 'MD5 is among the algorithms.'],
    ['target', 'Challenges do not come again.'],
    ['initiator', 'A wrong response of the target closes the connection.'],
    ['initiator', 'The keys of CHAP go and come in their steps; others end the login.'],
    ['initiator', 'MD5 is among the algorithms that are offered.'],
    ['initiator', 'MD5 is offered also where the user has named other algorithms.', WISHED],
    [
      'initiator',
      'A challenge of the target has 1 to 1024 bytes, its identifier one; those of the initiator keep to that.',
    ],
    ['target', 'A challenge or response of more than 1024 bytes is refused.'],
  ),
]
