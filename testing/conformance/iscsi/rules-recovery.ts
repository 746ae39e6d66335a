// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143, sections 7, 8 and 10: retry, Reject, discovery sessions, digests, sequences and failures of all kinds.
import { type Rule, section } from './rule.ts'

const CONFINED =
  'a fault that is confined to one request is answered by Reject (11.17.1 has a reason for it) and the session lives; the connection ends where nothing of the header can be trusted'

const OPEN_DISCOVERY =
  'discovery may be open to all, so that anybody could end the sessions of others: it ends discovery sessions only'

export const RECOVERY: readonly Rule[] = [
  ...section(
    '7.1.4',
    ['target', 'In login nothing is recovered: a SNACK or a TASK REASSIGN ends it.'],
    ['initiator', 'In login nothing is recovered: what is missing there ends it.'],
  ),
  ...section(
    '7.1.4.3',
    ['target', 'A connection whose TCP fails is closed, and what is left of it waits for the initiator.'],
    [
      'initiator',
      'A connection whose TCP fails is closed and logged out for recovery, and its commands are taken over.',
    ],
    ['initiator', 'Connections that a message says are dropped are taken as failed.'],
  ),
  ...section(
    '7.1.5',
    ['target', 'ErrorRecoveryLevel 0 is always served, and a level that is answered is one that is served.'],
    ['target', 'A level brings the lower ones with it: at level 2 all of level 1 is served.'],
    ['initiator', 'A level is offered only if it and all below it are served.'],
  ),
  ...section(
    '7.2.1',
    ['target', 'A command that comes again while it is under way is dropped without a word.'],
    [
      'initiator',
      'A command that is sent again has its tag, its CmdSN and everything else of the first time.',
    ],
    ['initiator', 'A command is sent again only where it was not taken in.'],
    ['initiator', 'It is sent again on the connection of the first time, unless that has been logged out.'],
  ),
  ...section(
    '7.2.2',
    ['target', 'Where tasks cannot be reassigned, TASK REASSIGN is answered as not supported.'],
    [
      'target',
      'A command that is taken over goes on to its end: what is not acknowledged is sent, and its status.',
    ],
    ['target', 'A command whose connection was not logged out is still allegiant.'],
    ['target', 'The response to TASK REASSIGN comes before anything of the command.'],
    ['target', 'A command that was taken over answers with SNACK Tag 0, whatever tag it had.'],
    ['initiator', 'TASK REASSIGN follows a logout for recovery that has succeeded.'],
    ['initiator', 'ExpDataSN is 0 where no data has come.'],
    ['initiator', 'Data before the ExpDataSN of a takeover is not asked for again.'],
  ),
  ...section(
    '7.3',
    ['target', 'A Reject of a PDU of a task does not end the task: its response still comes.'],
    ['target', 'A command that was rejected has no other answer.'],
    ['target', 'The CmdSN of a numbered request that was rejected does not count as received.'],
    ['initiator', 'The gap that a rejected command leaves is filled.'],
    [
      'target',
      'Functions and text exchanges under way end by their response, too, whatever else of theirs is rejected.',
    ],
    [
      'target',
      'Above level 0 a Data-Out that is rejected counts in its sequence: those behind it are no gap.',
    ],
  ),
  ...section(
    '7.4.1',
    ['target', 'ErrorRecoveryLevel is 0 in a discovery session, whatever is offered.'],
    ['initiator', 'A discovery session is begun with level 0.'],
  ),
  ...section(
    '7.4.2',
    ['target', 'A discovery session without a target ends the one of the same name, ISID and portal.'],
    ['target', 'Such sessions at different portals do not end each other.'],
    ['target', 'A discovery session with a target ends another one of the same name, ISID and target.'],
    ['target', 'It ends a normal session of the same name, ISID and target as well.', OPEN_DISCOVERY],
  ),
  ...section(
    '7.5',
    ['target', 'What a lost connection left is kept for Time2Wait and Time2Retain, and given up then.'],
    ['initiator', 'Recovery begins after Time2Wait, and is over or given up within Time2Retain.'],
  ),
  ...section('7.6', ['target', 'Tasks that end with their connection do nothing more.']),
  ...section(
    '7.7',
    ['target', 'A format error ends all connections of the session.', CONFINED],
    ['initiator', 'A malformed PDU of the target ends all connections, and the session is begun anew.'],
  ),
  ...section(
    '7.8',
    ['target', 'A wrong header digest closes the connection.'],
    ['target', 'A wrong data digest is answered by a Reject with that reason, and the PDU is dropped.'],
    [
      'target',
      'A command whose data was lost to its digest ends by a sense code, behind the last of its data.',
    ],
    ['target', 'A command whose own PDU has a wrong data digest was never there: sent again, it runs.'],
    ['initiator', 'A wrong header digest closes the connection.'],
    [
      'initiator',
      'A PDU with a wrong data digest is dropped, and its task is recovered or ends with an error.',
    ],
    ['target', 'Above level 0 data that was lost is asked for by another R2T.'],
    ['target', 'A SNACK for data brings the data, or a Reject that says “SNACK reject”.'],
    ['target', 'A command without a status whose SNACK is rejected so ends with the sense code for that.'],
    ['initiator', 'Where a SNACK for data is refused, good status of the command is not believed.'],
    ['initiator', 'A response that is lost or damaged is asked for, or the connection is recovered.'],
    ['initiator', 'A message or a Reject that is damaged is dropped whole and counts as a lost response.'],
  ),
  ...section(
    '7.9',
    ['target', 'A gap in the data of a write is filled by a new R2T, or ends the command with a sense code.'],
    ['initiator', 'A gap in Data-In, R2T or status is recovered or ends the task.'],
    ['initiator', 'Data-In and R2T that come a second time are dropped.'],
    ['initiator', 'A status is not acknowledged while data of its command are missing.'],
  ),
  ...section(
    '7.11',
    ['target', 'An abort of a command that never came counts it as received, and is complete.'],
    ['target', 'An abort of a command that has been answered: the task does not exist.'],
    ['initiator', 'A command over its time is aborted, if the session goes on.'],
  ),
  ...section(
    '7.12',
    ['target', 'A text exchange that fails leaves everything as it was.'],
    ['target', 'A negotiation that fails in login ends the login.'],
    ['initiator', 'A negotiation that fails in login ends the login and the connection.'],
    ['initiator', 'A text exchange that is rejected changes nothing.'],
  ),
  ...section(
    '7.14',
    ['target', 'After a failed connection recovery is waited for, its tasks end, or the session does.'],
    ['target', 'Immediate commands of a failed connection end at once and cannot be taken over.'],
    ['target', 'A new session of the initiator port goes before the recovery of a connection.'],
    ['target', 'A logout that closes a failed connection ends its commands.'],
    [
      'initiator',
      'After a failed connection it is recovered within the session, or else the session is begun anew.',
    ],
    ['initiator', 'Where the target gives the session up, that goes before all recovery under way.'],
  ),
  ...section(
    '7.15',
    ['target', 'A session in trouble is reinstated by a login of its initiator port.'],
    ['initiator', 'Before a new session all connections are closed and all requests are ended.'],
    ['initiator', 'The new session takes the place of the old one: its ISID is the same, its TSIH zero.'],
  ),
  ...section(
    '8.1.2',
    ['initiator', 'A login that takes too long is given up, and its connection is closed.'],
    ['initiator', 'A logout of the session closes all its connections, those in login included.'],
    ['initiator', 'To be asked for a logout again, while one is under way, changes nothing.'],
    ['target', 'A connection that does not log in, or too slowly, is closed.'],
    [
      'target',
      'A logout of the session closes all its connections, those that have begun to log in included.',
    ],
    ['target', 'A connection whose logout is under way is not asked to log out.'],
  ),
  ...section(
    '8.3.4',
    [
      'target',
      'A session without connections is reinstated even while somebody tries to go on with it, whose try then fails.',
    ],
    ['target', 'A try to go on with it that fails leaves the session as it was.'],
  ),
  ...section('10.1.2', [
    'initiator',
    'The name of a node whose initiators are hardware can be configured.',
    'binds makers of hardware; here the name is an option of each initiator',
  ]),
  ...section(
    '10.2',
    ['target', 'Sense data comes with the response, without being asked for.'],
    ['initiator', 'Sense data of a response comes back to who sent the command.'],
  ),
  ...section('10.6', ['initiator', 'Commands that change the state of a device are not immediate.']),
  ...section('10.7', [
    'target',
    'Data that still comes for tasks that a function has ended is dropped without a word.',
  ]),
  ...section('8.2', [
    'initiator',
    'Where the session goes on, a failed connection is logged out, by a request or by a login of its CID.',
  ]),
]
