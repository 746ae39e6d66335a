// SPDX-License-Identifier: Apache-2.0
// GET EVENT STATUS NOTIFICATION, polled: the event of the most urgent class that is asked for and has one.
import {
  BUSY_EVENT,
  EVENT_HEADER,
  EventClass,
  GET_EVENT_STATUS_NOTIFICATION,
  INVALID_FIELD_IN_CDB,
  MEDIA_EVENT,
  OPERATIONAL_EVENT,
  OperationalEvent,
  POWER_EVENT,
} from '@lunkit/spec'
import { fail, type Nexus, on, reply, type Task } from '@lunkit/target-api'
import type { Drive } from '../drive.ts'

const { polled, classes, allocation } = GET_EVENT_STATUS_NOTIFICATION.cdb.field

interface ClassRow {
  readonly eventClass: number
  /** Whether this nexus has news to hear. */
  readonly waits: (drive: Drive, nexus: Nexus) => boolean
  /** The oldest news, which is thereby told, or how things are. */
  readonly describe: (drive: Drive, nexus: Nexus) => Uint8Array
}

/** POWER STATUS: active. */
const ACTIVE = 1
/** Bytes of an event of any class. */
const EVENT = 4
const never = (): boolean => false

/** The lower the class, the more urgent it is (MMC-6 GET EVENT STATUS NOTIFICATION command). */
const CLASSES: readonly ClassRow[] = [
  {
    eventClass: EventClass.operational,
    waits: ({ operations }, nexus) => operations.waits(nexus),
    describe({ operations }, nexus) {
      const change = operations.take(nexus)
      const event = change === 0 ? OperationalEvent.noChange : OperationalEvent.changed
      return OPERATIONAL_EVENT.write({ event, change })
    },
  },
  { eventClass: EventClass.power, waits: never, describe: () => POWER_EVENT.write({ status: ACTIVE }) },
  {
    eventClass: EventClass.media,
    waits: ({ media }, nexus) => media.waits(nexus),
    describe: ({ media, trayOpen, loaded }, nexus) =>
      MEDIA_EVENT.write({ event: media.take(nexus), present: loaded ? 1 : 0, trayOpen: trayOpen ? 1 : 0 }),
  },
  { eventClass: EventClass.busy, waits: never, describe: () => BUSY_EVENT.write({}) },
]

const supported = CLASSES.reduce((all, { eventClass }) => all | (1 << eventClass), 0)

export const getEventStatus = on(GET_EVENT_STATUS_NOTIFICATION, (task: Task, drive: Drive) => {
  const { cdb, nexus } = task
  // Nothing is kept waiting until there is news.
  if (polled.get(cdb, 0) === 0) return fail(task, INVALID_FIELD_IN_CDB, polled)
  const room = allocation.get(cdb, 0)
  const asked = CLASSES.filter(({ eventClass }) => (classes.get(cdb, 0) & (1 << eventClass)) !== 0)
  // All of them are asked, so that each begins to keep news for this nexus.
  const [urgent = asked[0]] = asked.filter(({ waits }) => waits(drive, nexus))
  if (urgent === undefined) {
    const header = EVENT_HEADER.write({ dataLength: EVENT_HEADER.length - 2, noneAvailable: 1, supported })
    return reply(task, header, room)
  }
  const { eventClass } = urgent
  // An answer that has no room for the event does not tell it.
  const event = room < EVENT_HEADER.length + EVENT ? new Uint8Array(EVENT) : urgent.describe(drive, nexus)
  const dataLength = EVENT_HEADER.length - 2 + EVENT
  reply(task, Buffer.concat([EVENT_HEADER.write({ dataLength, eventClass, supported }), event]), room)
})
