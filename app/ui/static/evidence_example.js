// An abstract to try the page with. It is made up: no such study was ever done.
export const EXAMPLE = {
  question: "Does a nurse-led telephone call in the first week reduce readmission after heart failure?",
  text: `MADE-UP ABSTRACT, NOT A REAL STUDY

Background: Many patients who leave hospital after heart failure come back within a month. It is not known whether one early telephone call changes this.

Methods: In this invented trial, 412 adults who went home after heart failure were drawn by lot to usual care or to usual care with one call by a nurse on day 5. The nurse asked about weight, breathlessness and tablets, and arranged a visit where one was needed. The main outcome was readmission for any cause within 30 days.

Results: Readmission within 30 days happened in 31 of 206 patients with the call and in 52 of 206 without it. Patients who were called weighed themselves more often. Deaths did not differ between the groups. Fourteen patients could not be reached by telephone.

The trial was small and was done in one city.`,
};
