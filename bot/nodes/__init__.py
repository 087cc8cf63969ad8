"""Lightning nodes behind one small interface (`base`)."""
