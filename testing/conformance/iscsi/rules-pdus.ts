// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143, 11.1 to 11.9 and 11.16 to 11.19: headers, commands, task management, data, events, Reject, NOP.
import { type Rule, section } from './rule.ts'

const AT_ONCE = 'not so, as in 4.2.3.3: initiators in wide use send no more data once they have asked for it'

export const PDUS: readonly Rule[] = [
  ...section(
    '11.2',
    ['target', 'Reserved bits and fields of a request are ignored.'],
    ['target', 'Reserved bits and fields of an answer are zero.'],
    ['target', 'A reserved value in a field that is defined is a protocol error.'],
    ['target', 'An opcode that is not known is rejected.'],
    ['target', 'Data is padded to 4 bytes; padding does not count in DataSegmentLength.'],
    ['target', 'Segments of an additional header that are not known are passed over by their length.'],
    ['target', 'Opcodes of a target that come from an initiator are rejected.'],
  ),
  ...section(
    '11.3',
    ['target', 'A command without W has no data, neither with it nor announced by F=0.'],
    ['target', 'A CDB of more than 16 bytes has its rest in an Extended CDB segment.'],
    ['target', 'Immediate data up to FirstBurstLength is taken where ImmediateData is Yes.'],
    ['target', 'The answer tells how much more or less data there was than was expected.'],
  ),
  ...section(
    '11.4',
    ['target', 'Overflow and underflow are never both set; without either the residual count is zero.'],
    ['target', 'A device error waits for the end of the data that the initiator still sends.'],
    ['target', 'SenseLength stands before sense data and counts it.'],
    ['target', 'ExpDataSN is the number of R2T or Data-In PDUs that went before.'],
    ['target', 'The SNACK Tag is zero unless an R-Data SNACK gave another.'],
    ['target', 'Faults of data end a command with the sense codes that the standard lists for them.'],
    ['initiator', 'Status and flags of a non-zero Response are ignored.'],
    ['target', 'Data that the device cuts at an allocation length is no overflow.'],
  ),
  ...section(
    '11.5',
    [
      'target',
      'ABORT TASK for a task that is not there: received if RefCmdSN is in the window, else it does not exist.',
    ],
    ['target', 'ABORT TASK SET and CLEAR TASK SET wait for the data that R2Ts have asked for.', AT_ONCE],
    ['target', 'TARGET COLD RESET ends all connections of the target after its response.'],
    ['target', 'A function for a LUN that is not there says so.'],
    ['initiator', 'TASK REASSIGN is immediate.'],
    [
      'initiator',
      'RefCmdSN of an ABORT TASK is the CmdSN of the task; for an immediate task that of the request.',
    ],
  ),
  ...section(
    '11.6',
    ['target', 'Each request has one response, with its tag.'],
    ['target', 'A function that is not supported is answered as such.'],
    ['target', 'An aborted task is not answered by a SCSI Response.'],
  ),
  ...section(
    '11.7',
    ['target', 'The last Data-In PDU of a sequence has F=1, and a sequence has at most MaxBurstLength.'],
    ['target', 'The A bit is zero at ErrorRecoveryLevel 0.'],
    ['target', 'Status comes with data only if it is no exception; then S and F are both 1.'],
    ['target', 'A Data-In PDU without the A bit has the reserved transfer tag.'],
    [
      'target',
      'Data-In PDUs are in the order of their offsets, without gap or overlap, where that was agreed upon.',
    ],
    ['target', 'No Data-In PDU is longer than the MaxRecvDataSegmentLength of the initiator.'],
    ['target', 'StatSN, residuals and status count in a Data-In PDU only with S=1, else they are zero.'],
    [
      'target',
      'The data of R2T and of unsolicited sequences is one PDU behind the other from its first offset.',
    ],
    ['target', 'A Data-In PDU that is not the last of its sequence has whole words of 4 bytes.'],
    ['target', 'Above level 0 the A bit comes no more often than once a burst.'],
  ),
  ...section(
    '11.8',
    ['target', 'The transfer tag of an R2T is not the reserved one, and differs from others outstanding.'],
    ['target', 'The desired length is neither zero nor more than MaxBurstLength.'],
    ['target', 'No more than MaxOutstandingR2T are outstanding for a command.'],
    ['target', 'The LUN of an R2T is that of its command.'],
    ['target', 'R2Ts of a command are for ranges that follow each other and lie within its data.'],
    ['initiator', 'Outstanding R2Ts of a command are answered in the order in which they came.'],
  ),
  ...section(
    '11.9',
    [
      'target',
      'A target that wants a logout asks on the connection that is to end, with the time in seconds.',
    ],
    ['target', 'An Asynchronous Message has the reserved task tag and uses up StatSN.'],
    ['initiator', 'A request to log out is followed by a Logout.'],
    ['target', 'Connections that will be dropped are told so before.'],
  ),
  ...section(
    '11.16',
    ['target', 'A SNACK at ErrorRecoveryLevel 0 is rejected as such.'],
    ['target', 'Data-In PDUs that are asked for come again as they were.'],
    ['target', 'An R2T that is asked for comes again as it was.'],
    ['target', 'Data that is acknowledged is not to be had again.'],
    ['target', 'Numbered responses that are asked for come again as they were.'],
    ['target', 'A SNACK for what was not sent, or is acknowledged, is rejected.'],
    ['target', 'R-Data SNACK brings data cut anew, and a response with its tag.'],
    ['initiator', 'Data-In with the A bit is acknowledged once nothing before it is missing.'],
    ['initiator', 'Data of before a change of MaxRecvDataSegmentLength is asked for by R-Data SNACK.'],
  ),
  ...section(
    '11.17',
    ['target', 'A Reject brings back the whole header of the refused PDU, without its digest.'],
    ['target', 'A Reject has the reserved task tag.'],
    [
      'target',
      'A task that a Reject ends has its SCSI Response, behind the last data that the initiator sends.',
    ],
    ['target', 'A tag that is in use is rejected as a task in progress.'],
  ),
  ...section(
    '11.18',
    ['target', 'A ping of the initiator is answered with its tag.'],
    ['target', 'A NOP-Out without a tag is not answered.'],
    ['initiator', 'A NOP-In with a transfer tag is answered with that tag, its LUN and no data.'],
    ['initiator', 'A NOP-Out without a task tag is immediate.'],
  ),
  ...section(
    '11.19',
    ['target', 'The echo brings back the data of the ping, up to what the initiator takes.'],
    ['target', 'The echo has the reserved transfer tag.'],
    ['target', 'A ping of the target has the reserved task tag, a transfer tag and no data.'],
    ['target', 'The answer to a ping of the target is not answered.'],
  ),
]
