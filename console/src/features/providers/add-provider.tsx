/** The dialog around the form. */
import { useTranslation } from "react-i18next";

import { Dialog } from "@/components/dialog";
import { toast } from "@/components/toast";
import { ProviderForm } from "@/features/providers/provider-form";

export function AddProviderDialog({ onClose }: { onClose: (made?: string) => void }) {
  const { t } = useTranslation();
  return (
    <Dialog open onClose={() => onClose()} title={t("providers.add")} width={520}>
      <ProviderForm
        onCancel={() => onClose()}
        onDone={(made) => {
          toast(t("providers.added", { name: made.name, count: made.models.length }));
          onClose(made.name);
        }}
      />
    </Dialog>
  );
}
