// SPDX-License-Identifier: Apache-2.0
// VPD page 8Fh: which copy commands and descriptors there are, from the bindings and limits themselves.
import {
  COPY_PARAMETER_DATA,
  EXTENDED_COPY_LID1,
  GENERAL_COPY_OPERATIONS,
  RECEIVE_COPY_STATUS_LID1,
  THIRD_PARTY_COPY_DESCRIPTOR,
  ThirdPartyCopyType,
} from '@lunkit/spec'
import type { Device } from '@lunkit/target-api'
import { THIS_UNIT } from './find-unit.ts'
import { MAX_COPIES, MAX_CSCDS, MAX_DESCRIPTOR_BYTES, MAX_SEGMENT_BYTES, MAX_SEGMENTS } from './limits.ts'
import { IMPLEMENTED_DESCRIPTORS } from './parameter-list.ts'

/** The page behind its header. */
export function thirdPartyCopyDescriptors(device: Device): Uint8Array {
  return Buffer.concat([
    descriptor(ThirdPartyCopyType.supportedCommands, counted(supportedCommands(device))),
    parameterData(),
    descriptor(ThirdPartyCopyType.supportedDescriptors, counted(IMPLEMENTED_DESCRIPTORS)),
    descriptor(ThirdPartyCopyType.supportedCscdIds, [0, 2, THIS_UNIT >> 8, THIS_UNIT & 0xff]),
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
