// SPDX-License-Identifier: Apache-2.0
// What SPC-4 and SBC-4 allow under reservations, typed from their tables and not from the rows: the matrix test's other half.

/** Allowed to everybody under every persistent reservation. */
const ALWAYS = `
INQUIRY
LOG SENSE
PERSISTENT RESERVE IN, READ KEYS
PERSISTENT RESERVE IN, READ RESERVATION
PERSISTENT RESERVE IN, REPORT CAPABILITIES
PERSISTENT RESERVE IN, READ FULL STATUS
READ MEDIA SERIAL NUMBER
REPORT ALIASES
REPORT IDENTIFYING INFORMATION
REPORT LUNS
REPORT PRIORITY
REPORT TARGET PORT GROUPS
REPORT TIMESTAMP
REQUEST SENSE
TEST UNIT READY
RECEIVE COPY OPERATING PARAMETERS
REPORT ALL ROD TOKENS
READ CAPACITY (10)
READ CAPACITY (16)
REPORT REFERRALS
GET PHYSICAL ELEMENT STATUS
GET STREAM STATUS
`
/** Allowed to those without access under Write Exclusive types, a conflict under Exclusive Access types. */
const UNDER_WRITE_EXCLUSIVE = `
MANAGEMENT PROTOCOL IN
MODE SENSE (6)
MODE SENSE (10)
READ ATTRIBUTE
READ BUFFER (10)
READ BUFFER (16)
RECEIVE DIAGNOSTIC RESULTS
REPORT SUPPORTED OPERATION CODES
REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS
SECURITY PROTOCOL IN
GET LBA STATUS (16)
GET LBA STATUS (32)
POPULATE TOKEN
PRE-FETCH (10)
PRE-FETCH (16)
READ (6)
READ (10)
READ (12)
READ (16)
READ (32)
READ DEFECT DATA (10)
READ DEFECT DATA (12)
SEEK (6)
SEEK (10)
VERIFY (10)
VERIFY (12)
VERIFY (16)
VERIFY (32)
`
/** A conflict for those without access, whatever the type. */
const NEVER = `
CHANGE ALIASES
COPY OPERATION ABORT
EXTENDED COPY (LID1)
EXTENDED COPY (LID4)
LOG SELECT
MANAGEMENT PROTOCOL OUT
MODE SELECT (6)
MODE SELECT (10)
RECEIVE COPY DATA (LID1)
RECEIVE COPY DATA (LID4)
RECEIVE COPY FAILURE DETAILS (LID1)
RECEIVE COPY STATUS (LID1)
RECEIVE COPY STATUS (LID4)
RECEIVE ROD TOKEN INFORMATION
SECURITY PROTOCOL OUT
SEND DIAGNOSTIC
SET IDENTIFYING INFORMATION
SET PRIORITY
SET TARGET PORT GROUPS
SET TIMESTAMP
WRITE ATTRIBUTE
WRITE BUFFER
BACKGROUND CONTROL
COMPARE AND WRITE
FORMAT UNIT
ORWRITE (16)
ORWRITE (32)
READ LONG (10)
READ LONG (16)
REASSIGN BLOCKS
REMOVE ELEMENT AND TRUNCATE
RESTORE ELEMENTS AND REBUILD
SANITIZE BLOCK ERASE
SANITIZE CRYPTOGRAPHIC ERASE
SANITIZE EXIT FAILURE MODE
SANITIZE OVERWRITE
STREAM CONTROL
SYNCHRONIZE CACHE (10)
SYNCHRONIZE CACHE (16)
UNMAP
WRITE (6)
WRITE (10)
WRITE (12)
WRITE (16)
WRITE (32)
WRITE AND VERIFY (10)
WRITE AND VERIFY (12)
WRITE AND VERIFY (16)
WRITE AND VERIFY (32)
WRITE ATOMIC (16)
WRITE ATOMIC (32)
WRITE LONG (10)
WRITE LONG (16)
WRITE SAME (10)
WRITE SAME (16)
WRITE SAME (32)
WRITE SCATTERED (16)
WRITE SCATTERED (32)
WRITE STREAM (16)
WRITE STREAM (32)
WRITE USING TOKEN
XDREAD (10)
XDWRITEREAD (10)
XDWRITEREAD (32)
START STOP UNIT
PREVENT ALLOW MEDIUM REMOVAL
`
// START STOP UNIT with START one and POWER CONDITION zero, and PREVENT ALLOW MEDIUM REMOVAL with PREVENT zero, are
// allowed to everybody: HARMLESS in the test. PERSISTENT RESERVE OUT, RESERVE and RELEASE have tables of their own.

export type Rule = 'always' | 'write-exclusive' | 'never'

const names = (text: string): string[] => text.split('\n').filter(line => line !== '')

/** By the name of the row. */
export const RULES: ReadonlyMap<string, Rule> = new Map([
  ...names(ALWAYS).map(name => [name, 'always'] as const),
  ...names(UNDER_WRITE_EXCLUSIVE).map(name => [name, 'write-exclusive'] as const),
  ...names(NEVER).map(name => [name, 'never'] as const),
])

/** SPC-4, PERSISTENT RESERVE OUT service actions that are allowed in the presence of various reservations. */
export const OUT_RULES: readonly {
  readonly action: string
  /** From a nexus that is registered and does not hold the reservation; from one that is not registered. */
  readonly registered: boolean
  readonly stranger: boolean
}[] = [
  { action: 'CLEAR', registered: true, stranger: false },
  { action: 'PREEMPT', registered: true, stranger: false },
  { action: 'PREEMPT AND ABORT', registered: true, stranger: false },
  { action: 'REGISTER', registered: true, stranger: true },
  { action: 'REGISTER AND IGNORE EXISTING KEY', registered: true, stranger: true },
  { action: 'REGISTER AND MOVE', registered: false, stranger: false },
  { action: 'RELEASE', registered: true, stranger: false },
  { action: 'RESERVE', registered: false, stranger: false },
]

/** SPC-2, commands that are allowed while another initiator has the unit by RESERVE; all others are conflicts. */
export const UNDER_RESERVE: readonly string[] = names(`
INQUIRY
LOG SENSE
READ CAPACITY (10)
READ CAPACITY (16)
RELEASE (6)
RELEASE (10)
REPORT LUNS
REQUEST SENSE
`)

/** Younger than SPC-2 and only reports: nothing is said of them. */
export const NOT_IN_SPC2: ReadonlySet<string> = new Set(
  names(`
READ MEDIA SERIAL NUMBER
REPORT ALIASES
REPORT IDENTIFYING INFORMATION
REPORT PRIORITY
REPORT TARGET PORT GROUPS
REPORT TIMESTAMP
RECEIVE COPY OPERATING PARAMETERS
REPORT ALL ROD TOKENS
REPORT REFERRALS
GET PHYSICAL ELEMENT STATUS
GET STREAM STATUS
`),
)
