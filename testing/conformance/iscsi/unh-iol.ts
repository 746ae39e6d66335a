// SPDX-License-Identifier: Apache-2.0
// The public test plans of UNH-IOL for iSCSI: each test by its number, a short name of our own, and the rules that show it.

export interface PlannedTest {
  readonly number: string
  readonly name: string
  /** Rules whose tests look at the same thing. */
  readonly shows: readonly string[]
}

export interface Suite {
  readonly name: string
  /** What the numbers are from. */
  readonly source: string
  readonly tests: readonly PlannedTest[]
}

const plan = (number: string, name: string, ...shows: string[]): PlannedTest => ({
  number,
  name,
  shows,
})

const COUNTERPART =
  'The numbers are those of the plan for initiators: the list of the plan for targets was not to be had. Each row is about what a target does in that exchange.'

const LOGIN: readonly PlannedTest[] = [
  plan('1.1', 'a standard login', '11.13/1', '6.3/7'),
  plan('2.1', 'TSIH of a new session', '11.13/4'),
  plan('2.2', 'TSIH that is not there', '11.12/5'),
  plan('2.3', 'TSIH of a second connection', '6.3.4/2'),
  plan('3.1', 'T answers T', '11.13/1'),
  plan('3.2', 'T that is delayed', '11.13/1', '6.3/4'),
  plan('4.1', 'StatSN of the first response', '11.13/3'),
  plan('4.2', 'StatSN that does not begin at zero', '11.13/3'),
  plan('5.1', 'ExpStatSN', '11.13/3'),
  plan('6.1', 'each key once', '6.3/3'),
  plan('6.2', 'a key again in another request', '6.3/3'),
  plan('6.3', 'a key again in the same request', '6.3/3'),
  plan('7.1', 'a first request with all it needs', '11.12/3', '11.12/4'),
  plan('7.2', 'lists of values', '6.2/3', '6.2/4'),
  plan('7.3', 'AuthMethod with nothing that suits', '12.1/1'),
  plan('7.4', 'FirstBurstLength out of range', '13.14/1', '6.2/6'),
  plan('7.5', 'a boolean that is none', '6.2/6'),
  plan('7.6', 'a key that is not known', '6.2/1'),
  plan('8.1', 'a PDU that does not belong in login', '6.3/1', '6.3/2'),
  plan('9.1', 'digests offered', '13.1/1'),
  plan('9.2', 'digests answered', '13.1/1'),
  plan('9.3', 'CRC32C is there', '13.1/2'),
  plan('10.1', 'MaxConnections', '13.2/1'),
  plan('11.1', 'names of both sides', '13.4/1', '13.5/1', '4.2.7/1'),
  plan('12.1', 'markers', '13.25/1'),
  plan('13.1', 'booleans', '6.2/7'),
  plan('13.2', 'booleans that are legal', '6.2/7'),
  plan('13.3', 'booleans that are not', '6.2/6'),
  plan('14.1', 'MaxRecvDataSegmentLength', '13.12/1', '13.12/2'),
  plan('15.1', 'MaxBurstLength', '13.13/1', '13.13/2'),
  plan('16.1', 'FirstBurstLength below MaxBurstLength', '13.14/1'),
  plan('16.2', 'FirstBurstLength above MaxBurstLength', '13.14/2'),
  plan('16.3', 'FirstBurstLength as it is offered', '13.14/1', '13.14/3'),
  plan('17.1', 'DefaultTime2Retain', '13.16/1'),
  plan('18.1', 'DefaultTime2Wait', '13.15/1'),
  plan('19.1', 'MaxOutstandingR2T', '13.17/1'),
  plan('20.1', 'ErrorRecoveryLevel', '13.20/1', '7.1.5/1'),
  plan('21.1', 'SessionType', '13.21/1'),
  plan('22.1', 'AuthMethod', '12.1/1', '12.1/2'),
]

const CHAP: readonly PlannedTest[] = [
  plan('1.1', 'CHAP_A that is known', '12.1.3/1'),
  plan('1.2.1', 'CHAP_A with numbers that are not', '12.1.3/2'),
  plan('1.2.2', 'CHAP_A that is no number', '12.1.3/2'),
  plan('1.3', 'CHAP_A out of its order', '9.2/1'),
  plan('2.1', 'CHAP_I', '12.1.3/5'),
  plan('2.2', 'CHAP_I out of range', '9.2/1'),
  plan('2.3', 'CHAP_I out of its order', '9.2/1'),
  plan('2.4', 'CHAP_I the same again', '12.1.3/8'),
  plan('2.5', 'CHAP_I sent back', '9.2.1/6'),
  plan('2.6', 'CHAP_I of both sides', '12.1.3/4'),
  plan('3.1', 'CHAP_C of full length', '12.1.3/5'),
  plan('3.2', 'CHAP_C that is short', '12.1.3/5'),
  plan('3.3', 'CHAP_C that is too long', '9.2/1'),
  plan('3.4', 'CHAP_C that is empty', '9.2/1'),
  plan('3.5', 'CHAP_C out of its order', '9.2/1'),
  plan('3.6.1', 'the same challenge on two connections, found', '12.1.3/8'),
  plan('3.6.2', 'the same challenge one after the other, found', '12.1.3/8'),
  plan('3.6.3', 'no challenge twice on two connections', '12.1.3/8'),
  plan('3.6.4', 'no challenge twice one after the other', '12.1.3/8'),
  plan('3.7', 'a challenge sent back', '9.2.1/6'),
  plan('3.8', 'a challenge that comes back', '9.2.1/6'),
  plan('4.1', 'CHAP_N', '12.1.3/3'),
  plan('4.2', 'CHAP_N of full length', '6.1/5'),
  plan('4.3', 'CHAP_N that is short', '12.1.3/3'),
  plan('4.4', 'CHAP_N that is too long', '6.1/6'),
  plan('4.5', 'CHAP_N out of its order', '9.2/1'),
  plan('4.6', 'CHAP_N sent back', '12.1.3/3'),
  plan('4.7', 'CHAP_N of both sides the same', '12.1.3/4'),
  plan('4.8', 'CHAP_N of both sides different', '12.1.3/4'),
  plan('5.1', 'CHAP_R that is wrong', '9.2/2'),
  plan('5.2', 'CHAP_R that is too long', '9.2/2'),
  plan('5.3', 'CHAP_R that is too short', '9.2/2'),
]

const FULL_FEATURE: readonly PlannedTest[] = [
  plan('1.1', 'command numbers', '4.2.2.1/1'),
  plan('2.1', 'immediate delivery', '4.2.2.1/2'),
  plan('2.2', 'immediate task management', '4.2.2.1/6'),
  plan('3.1', 'a closed window', '4.2.2.1/3', '4.2.2.1/4'),
  plan('3.2', 'a large window', '4.2.2.1/3'),
  plan('3.3', 'a window of one', '4.2.2.1/3'),
  plan('4.1', 'a command that comes again', '4.2.2.1/5'),
  plan('5.1', 'ExpStatSN', '4.2.2.2/1'),
  plan('6.1', 'DataSN', '4.2.2.4/1', '4.2.2.4/2'),
  plan('7.1', 'commands taken over by another connection', '7.2.2/2'),
  plan('8.1', 'unsolicited and solicited data', '11.3/3', '11.8/5'),
  plan('8.2', 'solicited data', '11.8/2', '11.8/5'),
  plan('8.3', 'unsolicited data', '4.2.5.2/1', '4.2.5.2/2'),
  plan('9.1', 'transfer tags of data', '11.8/1', '11.7/4'),
  plan('10.1', 'status with data', '11.7/3', '11.7/7'),
  plan('10.2', 'the A bit', '11.7/2', '11.7/10'),
  plan('11.1.1', 'length of Data-Out', '11.7/8'),
  plan('11.1.2', 'length of Data-In', '11.7/6', '11.7/9'),
  plan('11.2.1', 'F of unsolicited data', '11.4/2'),
  plan('11.2.2', 'F of solicited data', '11.4/6'),
  plan('11.3', 'DataSN of Data-Out', '7.9/1'),
  plan('11.4', 'offsets of Data-Out', '11.7/8'),
  plan('12.1', 'transfer tags of R2T', '11.8/1'),
  plan('12.2', 'offset and length of R2T', '11.8/2'),
  plan('12.3', 'offsets of R2T', '11.8/5'),
  plan('12.4', 'R2Ts of commands side by side', '11.8/3'),
  plan('13.1', 'BegRun of SNACK', '11.16/2'),
  plan('13.2', 'acknowledgement of data', '11.16/4'),
  plan('14.1', 'a request to log out', '11.9/1'),
  plan('14.2', 'a request to log out with several connections', '11.9/4'),
  plan('15.1', 'the answer to a ping', '11.18/1', '11.19/1', '11.19/2'),
  plan('15.2', 'a ping of the target', '11.19/3', '11.19/4'),
  plan('15.3', 'a NOP-Out without a tag', '11.18/2'),
  plan('16.1.1', 'fields of a command with immediate data', '11.3/1', '11.3/3'),
  plan('16.1.2', 'fields of a command without immediate data', '11.3/1', '11.3/2'),
]

const RECOVERY: readonly PlannedTest[] = [
  plan('1.1', 'a command that comes again though nothing was lost', '7.2.1/1'),
  plan('1.2', 'a command again after a digest error', '7.8/4'),
  plan('2.1', 'a write taken over after a logout', '7.2.2/2'),
  plan('2.2', 'a write that is still allegiant', '7.2.2/3'),
  plan('2.3', 'a read taken over after a logout', '7.2.2/2'),
  plan('2.4', 'taken over after an implicit logout', '6.3.4/1', '7.2.2/2'),
  plan('3.1', 'SNACK for R2T', '11.16/3'),
  plan('3.2', 'SNACK for one Data-In', '11.16/2'),
  plan('3.3', 'SNACK for a run of Data-In', '11.16/2'),
  plan('3.4', 'SNACK for all Data-In', '11.16/2'),
  plan('3.5', 'SNACK for the status of a command', '11.16/5'),
]

export const SUITES: readonly Suite[] = [
  { name: 'Login phase', source: COUNTERPART, tests: LOGIN },
  { name: 'CHAP', source: COUNTERPART, tests: CHAP },
  { name: 'Full feature phase', source: COUNTERPART, tests: FULL_FEATURE },
  {
    name: 'Error recovery',
    source: 'The numbers are those of the plan for targets, version 2.1, as far as its list was to be had.',
    tests: RECOVERY,
  },
]
