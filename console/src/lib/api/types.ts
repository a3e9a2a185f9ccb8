/** Short names for the bodies that `schema.gen.ts` holds. */
import type { components } from "@/lib/api/schema.gen";

type Schemas = components["schemas"];

export type Call = Schemas["CallTold"];
export type CallPage = Schemas["CallPage"];
export type Key = Schemas["KeyTold"];
export type KeyPage = Schemas["KeyPage"];
export type KeyCreated = Schemas["KeyCreated"];
export type KeyRotated = Schemas["KeyRotated"];
export type KeyRevoked = Schemas["KeyRevoked"];
export type CreateKey = Schemas["CreateKey"];
export type Provider = Schemas["ProviderTold"];
export type ProviderPage = Schemas["ProviderPage"];
export type ProviderWritten = Schemas["ProviderWritten"];
export type ProviderTested = Schemas["ProviderTested"];
export type ProviderRefreshed = Schemas["ProviderRefreshed"];
export type Model = Schemas["ModelTold"];
export type ModelPage = Schemas["ModelPage"];
export type ModelWritten = Schemas["ModelWritten"];
export type Report = Schemas["ReportTold"];
export type Row = Schemas["RowTold"];
export type Sums = Schemas["SumsTold"];
export type Refusal = Schemas["RefusalTold"];
export type RefusalPage = Schemas["RefusalPage"];
export type Setting = Schemas["SettingTold"];
export type Findings = Schemas["FindingsTold"];
export type Checks = Schemas["ChecksTold"];
export type Backup = Schemas["BackupTold"];
