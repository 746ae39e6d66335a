// SPDX-License-Identifier: Apache-2.0
// What drivers and devices see of a nexus, of a logical unit, and of the pair of both.
import type { SenseCode } from '@lunkit/spec'
import type { Device } from './device.ts'
import type { InnerCommands } from './inner-commands.ts'
import type { PortGroupChange, PortGroups } from './port-groups.ts'
import type { Reservations } from './reservations.ts'
import type { TargetPort } from './target-driver.ts'
import type { UnitCounters } from './unit-counters.ts'
import type { UnitRecords } from './unit-records.ts'

/** An initiator port: who it is, and the name that reservations know it by. */
export interface InitiatorPort {
  /** iSCSI name, or the transport's own form of a name. */
  readonly name: string
  /** Tells ports of one initiator apart; for iSCSI the ISID as 12 hex digits. */
  readonly port: string
  /** SPC TransportID. */
  readonly transportId: Uint8Array
  /** Version descriptor of the transport as it was agreed with this initiator; if not given, none in particular. */
  readonly version?: number
}

/** I_T nexus: an initiator port seen through one target port. */
export interface Nexus {
  readonly port: TargetPort
  readonly target: Target
  readonly initiator: InitiatorPort
  /**
   * Tasks that this nexus may have in flight now, the running ones included. A driver turns it into its own command
   * window; it falls while memory is short.
   */
  readonly credit: number
  /** Tasks in flight. */
  readonly running: number
  /** LUNs this initiator sees, ascending. */
  luns(): readonly number[]
  /** The units behind them, in the same order. */
  units(): readonly NexusUnit[]
  /** The driver's session. */
  driverData: unknown
}

/** What of a target a nexus may see and use, where that is not left to the target's own groups. */
export interface NexusView {
  /** Group whose LUN map it sees, or null for that of everybody; by the initiator's name if not given. */
  readonly group?: string | null
  /** Whether it may only read: all LUNs, or these; besides those that are mapped so. */
  readonly readonly?: boolean | readonly number[]
}

/** One row of a LUN map. */
export interface MappedLun {
  readonly lun: number
  readonly readonly: boolean
}

/** A SCSI target device: a name, its LUN map, and the ports that lead to it. */
export interface Target {
  readonly name: string
  readonly alias: string
  /** Open ports, by ascending relative identifier. */
  readonly ports: readonly TargetPort[]
  /** Asymmetric access, or null if all ports are alike. */
  readonly portGroups: PortGroups | null
  /** The group that an initiator of that name is in, and null if it is in none. */
  groupOf(initiator: string): string | null
  /** LUNs that a nexus with this view would see, ascending; null if there is no such group. */
  lunsOf(initiator: string, view?: NexusView): readonly MappedLun[] | null
}

/** Where the unit or its target can be managed (SPC-4 Management Network Addresses VPD page). */
export interface ManagementAddress {
  /** SERVICE TYPE, 0 to 31: 1 storage configuration service, 2 diagnostics, 3 status, 4 logging, 5 code download. */
  readonly service: number
  /** A URL, or an address as people write it. */
  readonly address: string
}

/** Names of a logical unit: made once, stable over restarts, all settable. */
export interface Identity {
  /** Up to 8, 16 and 4 ASCII characters. */
  readonly vendor: string
  readonly product: string
  readonly revision: string
  /** Unit serial number, ASCII, up to 64 characters. */
  readonly serial: string
  /** NAA designator, 8 or 16 bytes. */
  readonly naa: Uint8Array
  /** EUI-64 based designator, 8, 12 or 16 bytes. */
  readonly eui64?: Uint8Array
  /** SCSI name string: `iqn.…`, `eui.…` or `naa.…`. */
  readonly scsiName?: string
  /** What follows the vendor in the T10 vendor identification designator; product and serial number if not given. */
  readonly t10Id?: string
  readonly management?: readonly ManagementAddress[]
}

/** Blocks that port groups lead to each in their own way (SBC-4, referrals). */
export interface ReferralSegment {
  readonly firstLba: number
  readonly lastLba: number
  /** Groups that are not named do not lead there. */
  readonly groups: readonly PortGroupChange[]
}

/** A logical unit as its device sees it. */
export interface LogicalUnit {
  /** The operator may change it: read it anew for every answer. */
  readonly identity: Identity
  readonly device: Device
  /** User data segments, ascending and without holes; empty if all blocks are alike. */
  readonly referrals: readonly ReferralSegment[]
  /** Where it keeps what has to survive the process, or null: then nothing can be saved, and it says so. */
  readonly records: UnitRecords | null
  readonly reservations: Reservations
  readonly counters: UnitCounters
  /** How it sends commands to other units. */
  readonly inner: InnerCommands
  /** Establishes a unit attention for every nexus that sees the unit, but for `except`. */
  attention(code: SenseCode, except: Nexus | null): void
  /** Tells the operator what no command's answer can, such as a damaged record: a sentence. */
  warn(reason: string): void
  /**
   * Set by a device that has to know: called when a command begins that may change these blocks, before it does;
   * without a number of blocks where the whole medium may change.
   */
  onChange: ((lba: number, blocks: number) => void) | null
  /** Whether any nexus prevents medium removal. */
  readonly removalPrevented: boolean
  /** Longest time that a task management function takes, in ms; tasks that are not stuck end far sooner. */
  readonly managementLimit: number
}

/** I_T_L nexus: one unit as one initiator sees it. */
export interface NexusUnit {
  readonly nexus: Nexus
  readonly unit: LogicalUnit
  readonly lun: number
  /** The nexus may not write to the unit. */
  readonly readonly: boolean
  /** Set by PREVENT ALLOW MEDIUM REMOVAL; cleared by the engine on resets and nexus loss. */
  preventsRemoval: boolean
  /** It has an auto contingent allegiance at the unit (SAM-5): the engine's. */
  readonly faulted: boolean
  /** The most urgent pending unit attention, which is thereby reported; or null. */
  takeAttention(): SenseCode | null
}
