/** PDFs that are made on the device. */
export const paper = {
  pdf: 'Download PDF',
  begun: 'Fetching what sets the pages …',
  getting: 'Fetching what sets the pages: {{share}} %',
  setting: 'Setting the pages on this device …',
  done: 'Saved as {{name}} ({{size}}). It was made on this device.',
  again: 'Save it again',
  unreachable: 'What sets the pages could not be fetched. Nothing was lost: try again when you are online.',
  failed: 'The pages could not be set on this device. Nothing was lost: try again, or print this page instead.',
  kit_account: 'Account',
  kit_made: 'Made on',
  kit_where: 'Address',
};
