// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143, section 4: numbering, task management, data, names and session types.
import { type Rule, section } from './rule.ts'

const FAST_ABORT = 'FastAbort is not offered: TaskReporting settles on another value'

const OWNERS = 'nothing here can know who owned a domain when: that is for those who give names'

const TWO_NODES =
  'target and initiator are programs of their own here, each with the name that it is given: whoever runs both as one node names both'

const AT_ONCE =
  'not so: initiators in wide use send no more data once they have asked for a reset, and would wait for its answer in vain; tasks end at once, and what still comes for them is dropped'

const NAMES_THAT_ARE =
  'hosts have names with underscores and such, and targets name them so in their access lists: a name that is given is kept'
const FEW_PDUS =
  'a command has at most 4 GiB, and a PDU with data that is not the last of its burst at least 512 bytes'

const ANY_ORDER =
  'not asked for: each PDU names its task and its place, so no order can spoil data, and the standard lets a target go on'

export const CONCEPTS: readonly Rule[] = [
  ...section(
    '4.2.2.1',
    ['target', 'Numbered requests are carried out in the order of their CmdSN, whatever order they come in.'],
    ['target', 'An immediate request does not wait for others and does not use up its CmdSN.'],
    ['target', 'MaxCmdSN is never less than ExpCmdSN less one.'],
    ['target', 'A numbered request outside of the window is dropped without a word.'],
    ['target', 'A numbered request that comes a second time is dropped without a word.'],
    [
      'target',
      'One immediate task management request and one other immediate request are taken at any time.',
    ],
    ['both', 'CmdSN is compared as a serial number of 32 bits that wraps around.'],
    ['target', 'The first numbered request has the CmdSN that the login had.'],
    ['initiator', 'Numbered requests go out in increasing order of CmdSN on each connection.'],
    ['initiator', 'No numbered request goes out beyond MaxCmdSN.'],
    ['initiator', 'A pair of MaxCmdSN and ExpCmdSN with MaxCmdSN below ExpCmdSN less one is ignored.'],
    ['initiator', 'MaxCmdSN and ExpCmdSN that are older than those known change nothing.'],
    ['initiator', 'CmdSN grows by one with each numbered request, over all connections of the session.'],
    [
      'initiator',
      'An immediate request carries the number that the next one will have, and does not use it up.',
    ],
    [
      'initiator',
      'After a command was sent again its number does not come around before a later one is acknowledged there.',
    ],
    ['initiator', 'Functions act as SCSI wants it: what they have ended says nothing more to its user.'],
    [
      'target',
      'Functions end what has a lower CmdSN, on whatever connection it came, and leave of their own session what has a higher one.',
    ],
    ['target', 'ExpCmdSN does not pass a request that has not come.'],
    ['target', 'The status of a command does not come before the acknowledgement of its CmdSN.'],
    ['target', 'A request whose tag is in use runs no second time, whatever CmdSN it has.'],
    [
      'target',
      'Each connection has room for an immediate task management request and another immediate request.',
    ],
  ),
  ...section(
    '4.2.2.2',
    ['target', 'StatSN grows by one with each answer of a connection, whatever kind it is.'],
    ['target', 'PDUs that only show StatSN (R2T, a NOP-In of the target itself) do not use it up.'],
    ['initiator', 'ExpStatSN tells the target how far its answers have come.'],
    ['initiator', 'ExpStatSN does not pass a response that has not come.'],
    ['initiator', 'A StatSN that is too far ahead of what has come is followed by recovery.'],
  ),
  ...section(
    '4.2.2.3',
    [
      'target',
      'The answer to a function for many tasks waits until answers on other connections are acknowledged.',
    ],
    [
      'target',
      'Answers of the same unit that come after a fenced one wait until it is acknowledged, and keep their order.',
    ],
    ['target', 'A session of several connections can agree on ResponseFence.'],
    [
      'target',
      'Fenced are unit attentions, functions for many tasks, CLEAR ACA, an ACA and the status that tells of it, and PREEMPT AND ABORT.',
    ],
    ['target', 'With a single connection no answer waits for another.'],
  ),
  ...section(
    '4.2.2.4',
    ['target', 'Data-In PDUs of a command are numbered from 0 without a gap.'],
    ['target', 'R2T PDUs of a command are numbered from 0 without a gap.'],
    ['target', 'Data-In and R2T PDUs of a command with both share one sequence of numbers.'],
    ['initiator', 'Data-Out PDUs are numbered from 0 in each sequence.'],
    [
      'initiator',
      'A sequence of Data-Out has less than 2^32 PDUs.',
      'it follows from the lengths of bursts, which are below 2^24 bytes',
    ],
    ['target', 'A command has less than 2^32 Data-In and R2T PDUs.', FEW_PDUS],
  ),
  ...section(
    '4.2.3.3',
    [
      'target',
      'A function for many tasks waits for the data of R2Ts that its initiator has not answered yet.',
      AT_ONCE,
    ],
    ['target', 'A function for many tasks waits for commands before it in the order of CmdSN.'],
    [
      'target',
      'The response comes when the tasks have ended, and answers of the tasks do not come after it.',
    ],
    ['initiator', 'R2Ts of affected tasks are still answered until the response has come.'],
    ['initiator', 'The tasks of a function are over with it, also where no response to it comes.'],
    ['initiator', 'A response to a function that comes when its tasks are over already is dropped.'],
    ['initiator', 'Responses of its tasks that come behind that of the function are dropped.'],
    ['target', 'The response of a function for many tasks is fenced in the default procedure, too.'],
    ['target', 'On other sessions the first answer that tells of a function is fenced.'],
  ),
  ...section('4.2.3.4', [
    'both',
    'The shortened procedure of FastAbort for functions on many tasks.',
    FAST_ABORT,
  ]),
  ...section(
    '4.2.4',
    ['initiator', 'The first PDU of a connection is a login request, and after login there is none.'],
    ['target', 'Before a login, and in it, nothing but Login Requests is taken.'],
    ['target', 'A connection has one login, at its beginning: Login PDUs come at no other time.'],
  ),
  ...section(
    '4.2.5.1',
    ['target', 'Everything that belongs to a request comes on the connection where the request came.'],
    ['target', 'Data of a write is taken on the connection of its command only.'],
    ['initiator', 'Data of a write goes on the connection of its command.'],
    ['initiator', 'A SNACK goes on the connection of what it asks for.'],
  ),
  ...section(
    '4.2.5.2',
    ['target', 'Unsolicited data that was not agreed upon is an error.'],
    ['target', 'Unsolicited data beyond FirstBurstLength is an error.'],
    ['initiator', 'Every R2T for a task under way is answered with all the data it asks for.'],
    [
      'initiator',
      'No unsolicited data is sent where it was not agreed upon, nor more than FirstBurstLength.',
    ],
    [
      'initiator',
      'Where data goes unasked beside the command, it is FirstBurstLength, or all that there is.',
    ],
    ['initiator', 'On each connection such data comes in the order of the commands.'],
    ['initiator', 'All other data waits for an R2T.'],
    ['target', 'What may not come unasked is asked for by R2T.'],
    ['target', 'Unsolicited data of several commands comes in the order of the commands.', ANY_ORDER],
  ),
  ...section(
    '4.2.7',
    ['target', 'Names of up to 223 bytes are taken.'],
    ['target', 'Names are compared in their normal form, in which letters are small.'],
    ['target', 'The types iqn., eui. and naa. are taken, and what is no name is refused.'],
    ['initiator', 'Names of up to 223 bytes go out in their normal form; what is no name does not.'],
  ),
  ...section('4.2.7.1', ['both', 'A node that is initiator and target has one name for both.', TWO_NODES]),
  ...section(
    '4.2.7.2',
    [
      'both',
      'Names are UTF-8 in form C, have small letters and none of the characters that are forbidden, and 223 bytes at most.',
    ],
    ['initiator', 'The name of the initiator has none of the characters that are forbidden.', NAMES_THAT_ARE],
  ),
  ...section(
    '4.2.7.4',
    ['both', 'A name that begins with iqn. goes on with a year, a month and a domain.'],
    ['both', 'The domain belonged to whoever gave the name in that month.', OWNERS],
  ),
  ...section(
    '4.3',
    ['target', 'A discovery session takes SendTargets and the logout of the session; all else is rejected.'],
    ['target', 'A session without a SessionType is a normal one.'],
  ),
  ...section(
    '4.4.3',
    [
      'target',
      'There is one session for an initiator name, ISID, target and portal group: a new one ends the old.',
    ],
    ['target', 'The TSIH of a session is not zero, and is told to all its connections alike.'],
  ),
  ...section(
    '4.2.3.5',
    ['initiator', 'A message that tasks are ended (event 5) is answered, though it may not come.'],
    ['target', 'No message tells that tasks are ended (event 5), as FastAbort is never agreed upon.'],
  ),
  ...section(
    '4.2.1',
    ['initiator', 'A session works with a single connection.'],
    ['target', 'A session works with a single connection.'],
  ),
  ...section(
    '4.2.8',
    [
      'initiator',
      'What was settled on a session or a connection does not go over to another one; the TSIH stays.',
    ],
    ['target', 'Each session and each connection begins with the defaults, whatever others have settled on.'],
  ),
  ...section(
    '4.2.5.3',
    ['initiator', 'PDUs of a task that name another unit than its command are a protocol error.'],
    ['initiator', 'The tags of all tasks of a session that are under way are different.'],
    ['target', 'Data for a transfer tag names the unit of its command; other data fails the command.'],
    ['target', 'A tag that is in use on one connection of a session is in use on all of them.'],
  ),
  ...section('4.6.1.5', [
    'initiator',
    'Data-Out has the transfer tag of its R2T, and the task tag and LUN of its command.',
  ]),
  ...section('4.6.3.1', ['initiator', 'A text exchange goes on with the transfer tag that came.']),
  ...section('4.2.3.2', [
    'target',
    'ABORT TASK SET is for the own session, the other functions for all, on one unit or on all of them.',
  ]),
  ...section(
    '4.4.2',
    [
      'target',
      'The name of the target is the name of the SCSI device, and with t and the portal group that of the port.',
    ],
    ['target', 'Initiator ports are known to SCSI by their name with i and the ISID.'],
  ),
  ...section('4.4.3.2', ['target', 'Persistent reservations outlive the session that made them.']),
  ...section('4.6.1.2', ['target', 'CHECK CONDITION comes with its sense data.']),
]
