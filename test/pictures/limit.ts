/** Of a picture of the README, which is loaded with each visit of the page. */
export const maxPictureBytes = 60_000;
