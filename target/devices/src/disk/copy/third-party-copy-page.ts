// SPDX-License-Identifier: Apache-2.0
// VPD page 8Fh: which copy commands and descriptors there are, from the bindings and limits themselves.
import {
  BLOCK_DEVICE_ROD_LIMITS,
  COPY_PARAMETER_DATA,
  EXTENDED_COPY_LID1,
  GENERAL_COPY_OPERATIONS,
  RECEIVE_COPY_STATUS_LID1,
  ROD_TOKEN_FEATURES,
  RodType,
  SUPPORTED_ROD_TYPE,
  THIRD_PARTY_COPY_DESCRIPTOR,
  ThirdPartyCopyType,
} from '@lunkit/spec'
import type { Device } from '@lunkit/target-api'
import { THIS_UNIT } from './find-unit.ts'
import {
  DEFAULT_INACTIVITY,
  MAX_COPIES,
  MAX_CSCDS,
  MAX_DESCRIPTOR_BYTES,
  MAX_INACTIVITY,
  MAX_RANGES,
  MAX_SEGMENT_BYTES,
  MAX_SEGMENTS,
  MAX_TOKEN_BYTES,
  OPTIMAL_TOKEN_BYTES,
} from './limits.ts'
import { IMPLEMENTED_DESCRIPTORS } from './parameter-list.ts'

/** The page behind its header. */
export function thirdPartyCopyDescriptors(device: Device): Uint8Array {
  return Buffer.concat([
    rodLimits(device),
    descriptor(ThirdPartyCopyType.supportedCommands, counted(supportedCommands(device))),
    parameterData(),
    descriptor(ThirdPartyCopyType.supportedDescriptors, counted(IMPLEMENTED_DESCRIPTORS)),
    descriptor(ThirdPartyCopyType.supportedCscdIds, [0, 2, THIS_UNIT >> 8, THIS_UNIT & 0xff]),
    rodFeatures(),
    descriptor(ThirdPartyCopyType.supportedRodTypes, rodTypes()),
    generalOperations(device),
  ])
}

/** Each opcode with the service actions of the device's bindings. */
function supportedCommands(device: Device): number[] {
  return [EXTENDED_COPY_LID1.opcode, RECEIVE_COPY_STATUS_LID1.opcode].flatMap(opcode => {
    const actions = device.type.bindings
      .filter(({ command }) => command.opcode === opcode)
      .map(({ command }) => command.serviceAction)
      .sort((a, b) => a - b)
    return actions.length === 0 ? [] : [opcode, actions.length, ...actions]
  })
}

const counted = (list: readonly number[]): number[] => [list.length, ...list]

/** A descriptor of any shape, filled up to a multiple of four bytes. */
function descriptor(type: number, content: readonly number[]): Uint8Array {
  const head = THIRD_PARTY_COPY_DESCRIPTOR.length
  const bytes = new Uint8Array(head + Math.ceil(content.length / 4) * 4)
  THIRD_PARTY_COPY_DESCRIPTOR.write({ type, length: bytes.length - head }, bytes)
  bytes.set(content, head)
  return bytes
}

function parameterData(): Uint8Array {
  return COPY_PARAMETER_DATA.write({
    type: ThirdPartyCopyType.parameterData,
    length: COPY_PARAMETER_DATA.length - THIRD_PARTY_COPY_DESCRIPTOR.length,
    maxCscdDescriptors: MAX_CSCDS,
    maxSegmentDescriptors: MAX_SEGMENTS,
    maxDescriptorListLength: MAX_DESCRIPTOR_BYTES,
  })
}

function generalOperations({ blockSize }: Device): Uint8Array {
  return GENERAL_COPY_OPERATIONS.write({
    type: ThirdPartyCopyType.generalCopyOperations,
    length: GENERAL_COPY_OPERATIONS.length - THIRD_PARTY_COPY_DESCRIPTOR.length,
    maxConcurrentCopies: MAX_COPIES,
    maxIdentifiedCopies: MAX_COPIES,
    maxSegmentLength: MAX_SEGMENT_BYTES,
    dataGranularity: Math.log2(blockSize),
  })
}

function rodLimits({ blockSize }: Device): Uint8Array {
  return BLOCK_DEVICE_ROD_LIMITS.write({
    type: ThirdPartyCopyType.blockDeviceRodLimits,
    length: BLOCK_DEVICE_ROD_LIMITS.length - THIRD_PARTY_COPY_DESCRIPTOR.length,
    maxRangeDescriptors: MAX_RANGES,
    maxInactivity: MAX_INACTIVITY,
    defaultInactivity: DEFAULT_INACTIVITY,
    maxTransfer: MAX_TOKEN_BYTES / blockSize,
    optimalTransfer: OPTIMAL_TOKEN_BYTES / blockSize,
  })
}

function rodFeatures(): Uint8Array {
  return ROD_TOKEN_FEATURES.write({
    type: ThirdPartyCopyType.rodTokenFeatures,
    length: ROD_TOKEN_FEATURES.length - THIRD_PARTY_COPY_DESCRIPTOR.length,
    maxInactivity: MAX_INACTIVITY,
  })
}

/** Each type that is made (tokens out) or taken (tokens in). */
function rodTypes(): number[] {
  const types = [
    { type: RodType.changeVulnerable, tokenOut: 1, tokenIn: 1 },
    { type: RodType.blockZero, tokenOut: 0, tokenIn: 1 },
  ].map(values => [...SUPPORTED_ROD_TYPE.write(values)])
  const length = types.length * SUPPORTED_ROD_TYPE.length
  return [0, 0, length >> 8, length & 0xff, ...types.flat()]
}
