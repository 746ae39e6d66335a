// SPDX-License-Identifier: Apache-2.0
// From a segment descriptor of EXTENDED COPY to the step that it asks for.
import { COPY_ABORTED, type SenseCode, UNEXPECTED_INEXACT_SEGMENT } from '@lunkit/spec'
import type { Task } from '@lunkit/target-api'
import { bytesOf, isSense, moveStep, type Step } from './copy-step.ts'
import { findUnit } from './find-unit.ts'
import { MAX_SEGMENT_BYTES } from './limits.ts'
import type { CopyPlan, MoveSegment } from './parameter-list.ts'

/** The step of a segment of the plan, or why it cannot be done. */
export function segmentStep(task: Task, { cscds, segments }: CopyPlan, index: number): Step | SenseCode {
  const segment = segments[index]!
  const source = findUnit(task, cscds, segment.source)
  if (isSense(source)) return source
  if (segment.kind === 'move') return measure(task, { cscds, segments }, segment)
  // Without TUR, a unit that is found is all that is asked for.
  return segment.testUnitReady
    ? { kind: 'ready', source }
    : { kind: 'zero', destination: source, to: 0, length: 0 }
}

function measure(task: Task, { cscds }: Pick<CopyPlan, 'cscds' | 'segments'>, segment: MoveSegment) {
  const source = findUnit(task, cscds, segment.source)
  if (isSense(source)) return source
  const destination = findUnit(task, cscds, segment.destination)
  if (isSense(destination)) return destination
  const { unit, count } = segment
  const length = unit === 'byte' ? count : bytesOf(unit === 'source' ? source : destination, count)
  if (length > MAX_SEGMENT_BYTES) return COPY_ABORTED
  const block = destination.unit.device.blockSize
  const over = length % block
  let pad = 0
  if (unit !== 'byte' && over !== 0) {
    if (cscds[segment.destination]?.pad !== true) return UNEXPECTED_INEXACT_SEGMENT
    pad = block - over
  }
  if (unit !== 'byte' && length % source.unit.device.blockSize !== 0) return UNEXPECTED_INEXACT_SEGMENT
  return moveStep({
    source,
    destination,
    from: bytesOf(source, segment.sourceLba) + segment.sourceOffset,
    to: bytesOf(destination, segment.destinationLba) + segment.destinationOffset,
    length,
    pad,
  })
}
