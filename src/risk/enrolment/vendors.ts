/**
 * Who makes TPMs: the TCG TPM Vendor ID Registry, as far as its vendors are known to certify endorsement keys. Whoever is
 * not in it, or makes virtual TPMs, is never `hardware`, whatever root stands above.
 */
import type { TpmClass } from '../../evidence/wire/enrolment.ts';
import type { RootClass } from './chain.ts';

export interface Vendor {
  readonly name: string;
  readonly isVirtual?: true;
}

/** By the four characters of the id. */
export const VENDORS: Readonly<Record<string, Vendor>> = {
  AMD: { name: 'AMD' },
  ANT: { name: 'Ant Group' },
  ATML: { name: 'Atmel (Microchip)' },
  BRCM: { name: 'Broadcom' },
  CSCO: { name: 'Cisco' },
  FLYS: { name: 'Flyslice Technologies' },
  GOOG: { name: 'Google', isVirtual: true },
  HISI: { name: 'Huawei' },
  HPE: { name: 'HPE' },
  HPI: { name: 'HPI' },
  IBM: { name: 'IBM', isVirtual: true },
  IFX: { name: 'Infineon' },
  INTC: { name: 'Intel' },
  LEN: { name: 'Lenovo' },
  MSFT: { name: 'Microsoft', isVirtual: true },
  NSG: { name: 'NSING' },
  NSM: { name: 'National Semiconductor' },
  NTC: { name: 'Nuvoton Technology' },
  NTZ: { name: 'Nationz' },
  QCOM: { name: 'Qualcomm' },
  ROCC: { name: 'Fuzhou Rockchip' },
  SEAL: { name: 'Wisekey (SealSQ)' },
  SECE: { name: 'SecEdge' },
  SMSC: { name: 'SMSC' },
  SMSN: { name: 'Samsung' },
  SNS: { name: 'Sinosun' },
  STM: { name: 'STMicroelectronics' },
  TXN: { name: 'Texas Instruments' },
  VMW: { name: 'VMware', isVirtual: true },
  WEC: { name: 'Winbond' },
};

/** The id's characters, without padding: `49465800` is `IFX`. */
export function vendorCode(manufacturer: string): string {
  return Buffer.from(manufacturer, 'hex')
    .toString('latin1')
    .replace(/[\0 ]+$/, '');
}

export function vendorOf(manufacturer: string): Vendor | undefined {
  const code = vendorCode(manufacturer);
  return Object.hasOwn(VENDORS, code) ? VENDORS[code] : undefined;
}

export function classOf(rootClass: RootClass, manufacturer: string): Exclude<TpmClass, 'software'> {
  const vendor = vendorOf(manufacturer);
  return rootClass === 'hardware' && vendor !== undefined && vendor.isVirtual !== true ? 'hardware' : 'emulated';
}
